"""ResNet-20 on CIFAR-10: the published accuracy in float, and what int8 leaves of it with each observer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import OBSERVERS, find_observer
from edgeguard.calibration.sets import array_set
from edgeguard.export.checks import integer_mac_share
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize, probe, quantizable_tensors
from edgeguard.export.pipeline import export
from edgeguard.runtimes import load
from edgeguard.runtimes.verify import verify
from edgeguard.targets import find_target
from tests.export.graphs import Array, run
from tests.export.requests import Heard, request_for
from tests.reference.conftest import ARCH, IMAGENET, Images

pytestmark = [pytest.mark.reference, pytest.mark.slow]

_BLOCK = 500


def logits(model: ModelProto, images: Array) -> Array:
    blocks = [run(model, IMAGENET(images[start : start + _BLOCK])) for start in range(0, len(images), _BLOCK)]
    return np.concatenate(blocks)


@pytest.fixture(scope="module")
def float_logits(resnet20: ModelProto, cifar_test: Images) -> Array:
    return logits(resnet20, cifar_test.x)


def quantized(model: ModelProto, images: Array, observer: str, target: str = "arm64") -> ModelProto:
    """Calibrated on the images given."""
    tensors = quantizable_tensors(model)
    data = array_set(IMAGENET(images), synthetic=False)
    found = collect(probe(model, tensors), model.graph.input[0].name, tensors, data, find_observer(observer))
    return run_passes(model, [Quantize(find_target(target), found.ranges)])


def accuracy(values: Array, labels: Array) -> float:
    return float((values.argmax(axis=1) == labels).mean())


def test_float_has_the_published_accuracy(float_logits: Array, cifar_test: Images) -> None:
    """Published: an error of 8.27 %. Exactly: neither conversion nor folding may move a class."""
    assert accuracy(float_logits, cifar_test.y) == 0.9173


def test_float_logits_are_those_of_eager_torch(float_logits: Array, reference: Path) -> None:
    """Folding BatchNorm into 19 convolutions reorders float32 sums of logits up to about 20."""
    with np.load(reference / "golden" / "resnet20_cifar10_test_logits.npz") as stored:
        expected = stored["logits"]
    assert np.abs(float_logits - expected).max() < 1e-3


@pytest.mark.parametrize("observer", sorted(OBSERVERS))
def test_int8_keeps_the_accuracy_with_every_observer(
    resnet20: ModelProto, cifar_train: Images, cifar_test: Images, observer: str
) -> None:
    """Demanded: 91.5 % from 256 training images. Found here: 91.59 % (percentile) to 91.71 % (mse)."""
    model = quantized(resnet20, cifar_train.x[:256], observer)
    assert accuracy(logits(model, cifar_test.x), cifar_test.y) >= 0.915


def test_int8_logits_are_as_close_as_onnx_runtimes_own_quantizer_makes_them(
    resnet20: ModelProto, cifar_train: Images, cifar_test: Images, float_logits: Array
) -> None:
    """ONNX Runtime's own ``quantize_static`` (min-max, U8S8, per channel) reaches 29.5 dB on the same network and
    images; ours 29.8, for its logits are not rounded. One wrongly scaled tensor costs far more than the 0.8 dB left."""
    model = quantized(resnet20, cifar_train.x[:256], "min-max")
    exact = float_logits[:2000].astype(np.float64)
    noise = logits(model, cifar_test.x[:2000]) - exact
    assert 10 * np.log10((exact**2).sum() / (noise**2).sum()) > 29.0


def test_everything_runs_in_integers(resnet20: ModelProto, cifar_train: Images) -> None:
    assert integer_mac_share(resnet20) == 0
    assert integer_mac_share(quantized(resnet20, cifar_train.x[:32], "min-max")) == 1


def test_exported_from_its_state_dict_and_defended(
    reference: Path, cifar_train: Images, cifar_test: Images, tmp_path: Path
) -> None:
    """At beta 0.9, DCP cost 0.04 pp on the 10,000 images (anchors section 2); on 2,000, 0.5 pp are ten images."""
    np.savez(tmp_path / "train.npz", x=cifar_train.x[:256])
    np.savez(tmp_path / "test.npz", x=cifar_test.x[:2000], y=cifar_test.y[:2000])
    request = request_for(
        reference / "models" / "resnet20_cifar10.pt",
        tmp_path / "resnet20.edgeguard",
        data=tmp_path / "train.npz",
        validation=tmp_path / "test.npz",
        arch=ARCH,
        input_shape=(3, 32, 32),
        preprocess=lambda _: IMAGENET,
    )
    manifest = export(request, Heard())
    measured, facts = manifest.measured, manifest.quantization
    assert measured is not None
    assert facts is not None
    assert measured.accuracy_float is not None
    assert measured.accuracy_undefended is not None
    assert measured.accuracy is not None
    assert measured.accuracy_undefended > measured.accuracy_float - 0.005
    assert measured.accuracy > measured.accuracy_undefended - 0.005
    assert measured.l1_mean is not None
    assert measured.l1_mean > 0.01
    assert facts.int8_bytes < 0.35 * facts.float_bytes
    answers = load(request.output).predict(cifar_test.x[:500])
    assert accuracy(answers, cifar_test.y[:500]) > 0.88
    assert verify(request.output).passed
