"""The MNIST network of ONNX Runtime's examples: operator set 8, constants among its inputs, pixels as 0..255."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeguard.export.pipeline import export
from edgeguard.preprocess import PRESETS
from edgeguard.runtimes import load
from edgeguard.runtimes.verify import verify
from tests.export.requests import Heard, request_for
from tests.reference.conftest import Images

pytestmark = pytest.mark.reference

RAW = replace(PRESETS["raw255"], size=(28, 28), colour="grey")


@pytest.mark.parametrize("observer", ["min-max", "mse"])
def test_int8_keeps_the_accuracy_on_images_that_calibration_has_not_seen(
    reference: Path, mnist_test: Images, tmp_path: Path, observer: str
) -> None:
    """98.91 % on all 10,000. Calibrated on 500 of them, measured on the other 9,500; demanded: within 0.3 pp."""
    np.savez(tmp_path / "some.npz", x=mnist_test.x[:500])
    np.savez(tmp_path / "others.npz", x=mnist_test.x[500:], y=mnist_test.y[500:])
    request = request_for(
        reference / "models" / "onnx" / "mnist_ort_example.onnx",
        tmp_path / "mnist.edgeguard",
        data=tmp_path / "some.npz",
        observer=observer,
        validation=tmp_path / "others.npz",
        preprocess=lambda _: RAW,
    )
    manifest = export(request, Heard())
    measured, facts = manifest.measured, manifest.quantization
    assert measured is not None
    assert facts is not None
    assert measured.images == 9500
    assert measured.accuracy_float == pytest.approx(0.9891, abs=0.001)
    assert measured.accuracy_undefended is not None
    assert measured.accuracy is not None
    assert abs(measured.accuracy_undefended - measured.accuracy_float) <= 0.003
    assert abs(measured.accuracy - measured.accuracy_float) <= 0.003
    assert facts.integer_mac_share > 0.99
    assert verify(request.output).passed
    answers = load(request.output).predict(mnist_test.x[500:1500])
    assert (answers.argmax(axis=1) == mnist_test.y[500:1500]).mean() > 0.98
