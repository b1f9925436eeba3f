"""The victim: ResNet-20 in int8 with an integer head, and what it says to the images of the reference set."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import DEFAULT_OBSERVER, find_observer
from edgeguard.calibration.sets import array_set
from edgeguard.calibration.tuning import Evidence, Wish, tune
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Score
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import configure
from edgeguard.export.evidence import stand_ins
from edgeguard.export.head import expose_integer_logits
from edgeguard.export.loading import LoadRequest, load_model
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize, probe, quantizable_tensors
from edgeguard.export.prepare import prepare
from edgeguard.keys import MasterKey
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.targets import find_target

__all__ = ["CLASSES", "IMAGENET", "TUNED_ON", "Victim", "answers_of", "key_of", "posterior_of"]

IMAGENET = Preprocess((32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CLASSES = 10
# Images that a defense is tuned on.
TUNED_ON = 2000
_CALIBRATED_ON = 256
_BLOCK = 500
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Victim:
    """A network as it is deployed, and the images that it is asked.

    :param head: integer logits.
    """

    session: Any
    head: Head
    reference: Path
    imgpack: ModuleType

    @classmethod
    def build(cls, reference: Path, imgpack: ModuleType) -> Victim:
        """Quantized as ``edgeguard export --head int8`` does it, from the first 256 training images."""
        weights = reference / "models" / "resnet20_cifar10.pt"
        target = find_target("arm64")
        model = prepare(
            load_model(LoadRequest(weights, "tests.networks:resnet20", input_shape=(3, 32, 32))), target
        ).graph.model
        tensors = quantizable_tensors(model)
        train = imgpack.load(reference / "data" / "cifar10_train_1.npz")["x"][:_CALIBRATED_ON]
        data = array_set(IMAGENET(train), synthetic=False)
        found = collect(
            probe(model, tensors), model.graph.input[0].name, tensors, data, find_observer(DEFAULT_OBSERVER)
        )
        quantized = run_passes(model, [Quantize(target, found.ranges, head="int8")])
        exposed, head = expose_integer_logits(quantized)
        return cls(open_session(exposed.SerializeToString(), threads=2), head, reference, imgpack)

    @property
    def grid(self) -> Grid:
        """The steps of its logits."""
        assert self.head.grid is not None
        return self.head.grid

    def images(self, name: str) -> dict[str, Array]:
        """A packed image set of the reference data."""
        loaded: dict[str, Array] = self.imgpack.load(self.reference / "data" / f"{name}.npz")
        return loaded

    def queries(self) -> Array:
        """The 30,000 CIFAR-100 images, uint8 ``[n, 32, 32, 3]``."""
        return np.concatenate([self.images(f"cifar100_train_{part}")["x"] for part in (1, 2, 3)])

    def photos(self) -> Array:
        """The 500 ImageNet photos, shrunk to 32 x 32, and their mirror images."""
        with np.load(self.reference / "data" / "imagenet_samples224_even.npz") as stored:
            blob, offsets = stored["jpeg"].tobytes(), stored["offsets"]
        opened = [Image.open(io.BytesIO(blob[a:b])) for a, b in pairwise(offsets)]
        small = np.stack([np.asarray(photo.convert("RGB").resize((32, 32), Image.Resampling.BOX)) for photo in opened])
        return np.concatenate([small, small[:, :, ::-1]])

    def clothes(self, count: int) -> Array:
        """Fashion-MNIST, grey pictures framed in black."""
        grey = np.pad(self.images("fashion_mnist_test")["x"][:count].reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
        return np.repeat(grey[..., None], 3, axis=3)

    def logits(self, images: Array) -> Array:
        """Float logits of pictures, each on the grid."""
        return self.logits_of(IMAGENET(images))

    def logits_of(self, inputs: Array) -> Array:
        """Float logits of inputs, each on the grid."""
        blocks = [run_session(self.session, inputs[i : i + _BLOCK], None) for i in range(0, len(inputs), _BLOCK)]
        steps = np.concatenate(blocks).astype(np.float32) - np.float32(self.head.zero_point or 0)
        return steps * np.float32(self.head.scale or 1.0)

    def stood_in(self, images: Array) -> Array:
        """Logits of the stand-ins that a gate is fitted on if its owner has no queries."""
        inputs = IMAGENET(images)
        return self.logits_of(np.concatenate([stand_ins(inputs[i : i + 64]) for i in range(0, len(inputs), 64)]))

    def averaged(self, images: Array) -> Array:
        """Logits of other stand-ins, which the default was chosen over."""
        inputs = IMAGENET(images)
        once, twice = np.roll(inputs, 1, axis=0), np.roll(inputs, 2, axis=0)
        negatives = 2 * inputs.mean(axis=0, keepdims=True) - inputs
        return self.logits_of(np.concatenate([(inputs + once) / 2, (inputs + once + twice) / 3, negatives]))

    def tuned(
        self,
        name: str,
        logits: Array,
        labels: Array | None,
        *,
        budget: float | None = None,
        score: Score | None = None,
        key: MasterKey | None = None,
        reference: Array | None = None,
        parameters: dict[str, str] | None = None,
    ) -> Defense:
        """A defense tuned as ``edgeguard export`` does it.

        :raises ValueError: a gate was asked for and the images were too few.
        """
        overrides = parameters or {}
        wish = Wish(configure(name, overrides, CLASSES), score, budget, key, frozenset(overrides))
        evidence = Evidence(logits, labels, None, reference, "queries")
        found = tune(wish, evidence, self.head)
        if score is not None and found.defense.gate is None:
            raise ValueError(found.warnings[-1])
        return found.defense


def key_of(seed: int) -> MasterKey:
    """A key that every run has again."""
    return MasterKey(np.random.default_rng(seed).bytes(32))


def answers_of(defense: Defense, logits: Array) -> Array:
    """What is answered, float32 ``[n, classes]``."""
    return np.asarray(defense.answer(NumpyOps(), Head("logits", logits.shape[-1]), logits))


def posterior_of(logits: Array) -> Array:
    """What the network would answer."""
    return NumpyOps().softmax(logits)
