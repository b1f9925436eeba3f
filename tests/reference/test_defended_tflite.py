"""Published TFLite classifiers, defended as they are: what keeps the argmax keeps the accuracy, to the image."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgeguard.defenses.head import Head
from edgeguard.defenses.registry import DEFENSES
from edgeguard.export.tflite.head import attach_tflite, cut_tflite, expose_tflite_integers, find_tflite_head
from edgeguard.runtimes.litert_session import open_litert
from tests.defenses.agreement import check_alike, check_promises, tolerance
from tests.defenses.backends import numpy_answer
from tests.defenses.fitted import defense
from tests.reference.conftest import Images

pytestmark = [pytest.mark.reference, pytest.mark.slow]

Array = np.ndarray[Any, Any]
EACH = pytest.mark.parametrize("name", sorted(DEFENSES))
# Accuracies of the files as they came (README of the reference data); of the photos every second one is here.
RESNET_ACCURACY = 0.8699


@dataclass(frozen=True)
class Network:
    """A file cut back to its integer logits.

    :param answers: of the file as it came, to ``inputs``, as it holds them.
    :param logits: its integer logits.
    """

    cut: bytes
    head: Head
    inputs: Array
    answers: Array
    logits: Array

    @classmethod
    def of(cls, path: Path, inputs: Array) -> Network:
        data = path.read_bytes()
        exposed, head = expose_tflite_integers(cut_tflite(data, find_tflite_head(data)))
        return cls(exposed, head, inputs, open_litert(data).run(inputs), open_litert(exposed).run(inputs))

    def check(self, name: str) -> Array:
        """The defended file's answers, which are those of numpy to the network's own logits."""
        fitted = defense(name, self.head)
        answers = open_litert(attach_tflite(self.cut, self.head, fitted)).run(self.inputs)
        check_promises(answers, self.logits, fitted)
        check_alike(numpy_answer(self.head, fitted)(self.logits), answers, tolerance(fitted, self.head, self.logits))
        if fitted.keeps_argmax:
            assert np.array_equal(answers.argmax(axis=-1), self.logits.argmax(axis=-1))
        return answers


@pytest.fixture(scope="module")
def resnet(reference: Path, cifar_test: Images) -> Network:
    path = reference / "models" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
    return Network.of(path, cifar_test.x.astype(np.float32))


@pytest.fixture(scope="module")
def keywords(reference: Path) -> tuple[Network, Array]:
    with np.load(reference / "data" / "kws01_mfcc_test1000.npz") as stored:
        inputs = (stored["x"].astype(np.float32) - np.float32(stored["zero_point"])) * np.float32(stored["scale"])
        labels = np.asarray(stored["y"], np.int64)
    path = reference / "models" / "mlperf_tiny" / "kws_ref_model.tflite"
    return Network.of(path, inputs.reshape(-1, 49, 10, 1)), labels


@pytest.fixture(
    scope="module", params=[("mobilenet_v1_0.25_128_quant", 128, 200), ("mobilenet_v2_1.0_224_quant", 224, 40)]
)
def mobilenet(request: pytest.FixtureRequest, reference: Path) -> Network:
    name, size, count = request.param
    with np.load(reference / "data" / "imagenet_samples224_even.npz") as stored:
        blob, offsets = stored["jpeg"].tobytes(), stored["offsets"][: count + 1]
    photos = [Image.open(io.BytesIO(blob[start:end])).convert("RGB") for start, end in pairwise(offsets)]
    pixels = np.stack([np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR)) for photo in photos])
    path = reference / "models" / "imagenet_tflite" / f"{name}.tflite"
    return Network.of(path, pixels.astype(np.float32) / 127.5 - 1)


def test_the_resnet_has_its_published_accuracy(resnet: Network, cifar_test: Images) -> None:
    assert (resnet.answers.argmax(axis=-1) == cifar_test.y).mean() == pytest.approx(RESNET_ACCURACY, abs=5e-4)


def test_what_its_rounded_softmax_makes_equal_its_logits_tell_apart(resnet: Network) -> None:
    """So the argmax of the file as it came is that of its logits but where its own answer names two classes."""
    top = np.sort(resnet.answers, axis=-1)[:, -2:]
    clear = top[:, 0] != top[:, 1]
    assert clear.mean() > 0.98
    assert np.array_equal(resnet.answers.argmax(axis=-1)[clear], resnet.logits.argmax(axis=-1)[clear])


@EACH
def test_defended_resnet(resnet: Network, cifar_test: Images, name: str) -> None:
    answers = resnet.check(name)
    if defense(name, resnet.head).keeps_argmax:
        right = (answers.argmax(axis=-1) == cifar_test.y).mean()
        assert right == (resnet.logits.argmax(axis=-1) == cifar_test.y).mean()
        assert right == pytest.approx(RESNET_ACCURACY, abs=1e-3)


@EACH
def test_defended_keyword_spotter(keywords: tuple[Network, Array], name: str) -> None:
    network, labels = keywords
    assert (network.answers.argmax(axis=-1) == labels).mean() == pytest.approx(0.902, abs=5e-4)
    network.check(name)


@EACH
def test_defended_mobilenet(mobilenet: Network, name: str) -> None:
    mobilenet.check(name)
