"""ResNet-20 with one layer that int8 ruins: ``--max-drop`` finds it among twenty, and keeps no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.export.layers import layers_of
from edgeguard.export.pipeline import export
from edgeguard.export.request import QuantizationChoice
from tests.export.requests import Heard, request_for, write_model
from tests.export.spoilt import spoil
from tests.reference.conftest import IMAGENET, Images

pytestmark = pytest.mark.reference


def test_exactly_the_ruined_layer_is_kept(
    resnet20: ModelProto, cifar_train: Images, cifar_test: Images, tmp_path: Path
) -> None:
    """Found here on 2,000 images: int8 loses 31 points, and 0.1 with that layer in float."""
    # In the middle of the network; any that follows another one's ReLU would do.
    ruined = layers_of(resnet20)[10].name
    write_model(tmp_path / "spoilt.onnx", spoil(resnet20, ruined))
    np.savez(tmp_path / "train.npz", x=cifar_train.x[:64])
    np.savez(tmp_path / "test.npz", x=cifar_test.x[:500], y=cifar_test.y[:500])
    heard = Heard()
    manifest = export(
        request_for(
            tmp_path / "spoilt.onnx",
            tmp_path / "spoilt.edgeguard",
            data=tmp_path / "train.npz",
            validation=tmp_path / "test.npz",
            preprocess=lambda _: IMAGENET,
            quantization=QuantizationChoice(max_drop=1.0),
            defense=None,
        ),
        heard,
    )
    facts, measured = manifest.quantization, manifest.measured
    assert facts is not None
    assert facts.kept_float == (ruined,)
    assert facts.integer_mac_share > 0.9
    assert measured is not None
    assert measured.accuracy is not None
    assert measured.accuracy_float is not None
    assert measured.accuracy >= measured.accuracy_float - 0.01
    (line,) = [step for step in heard.steps if step.startswith("keeping ")]
    assert line.startswith(f"keeping 1 of 20 layers in float ({ruined}): int8 loses ")
