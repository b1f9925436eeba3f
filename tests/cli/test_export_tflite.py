"""``edgeguard export --format``: TFLite alone and beside ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeguard.artifact import LAB_TABLE, open_artifact
from edgeguard.calibration.effort import EFFORTS
from edgeguard.runtimes import load
from tests.artifacts import random_images
from tests.cli.inprocess import Here
from tests.cli.shell import edgeguard
from tests.export.tflite.needs import needs_litert_torch
from tests.networks import SHAPE, trained_tiny

USUAL = ("--int8", "--defense", "dcp", "--calibration", "images.npz", "--preprocess", "unit", "--json")


@pytest.fixture
def network(desk: Path) -> None:
    """``model.pt2`` beside the images."""
    torch.export.save(torch.export.export(trained_tiny(), (torch.zeros(1, *SHAPE),)), desk / "model.pt2")


@needs_litert_torch
@pytest.mark.usefixtures("network")
def test_both_formats_on_one_table(desk: Path) -> None:
    done = edgeguard("export", "model.pt2", *USUAL, "--format", "tflite,onnx", "--effort", "balanced")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("calibrating on") == 1
    one, other = json.loads(done.stdout)["artifacts"]
    assert (one["artifact"], other["artifact"]) == ("model-onnx.edgeguard", "model-tflite.edgeguard")
    assert one["lab"][LAB_TABLE] == other["lab"][LAB_TABLE]
    assert (one["preprocess"]["layout"], other["preprocess"]["layout"]) == ("nchw", "nhwc")
    assert other["model"]["input_shape"] == [*SHAPE[1:], SHAPE[0]]
    assert set(other["lab"]) == {LAB_TABLE, "float.tflite", "int8.tflite"}
    assert {"litert-torch", "ai-edge-quantizer", "ai-edge-litert"} <= set(other["tools"])
    assert other["quantization"]["integer_mac_share"] == 1
    assert [each["name"] for each in other["quantization"]["refinements"]] == [*EFFORTS["balanced"].refinements]
    assert other["quantization"]["refinements"] == one["quantization"]["refinements"]
    for artifact in (one, other):
        verified = edgeguard("verify", artifact["artifact"])
        assert verified.returncode == 0, verified.stderr
    pictures = list(random_images(64, seed=9))
    answers = [load(desk / artifact["artifact"]).predict(pictures) for artifact in (one, other)]
    assert np.mean(answers[0].argmax(axis=-1) == answers[1].argmax(axis=-1)) > 0.95


@needs_litert_torch
@pytest.mark.usefixtures("network")
def test_float_and_tflite_alone(desk: Path, here: Here) -> None:
    done = here("export", "model.pt2", "--defend", "--format", "tflite", "--preprocess", "unit", "--json")
    assert done.code == 0, done.err
    made = open_artifact(desk / "model.edgeguard").manifest
    assert (made.model.format, made.quantization, made.min_onnxruntime) == ("tflite", None, None)
    assert set(made.lab) == {"float.tflite"}


@needs_litert_torch
@pytest.mark.usefixtures("network")
def test_integer_logits_for_a_defense_on_the_host(desk: Path, here: Here) -> None:
    done = here("export", "model.pt2", *USUAL, "--format", "tflite", "--placement", "host")
    assert done.code == 0, done.err
    head = open_artifact(desk / "model.edgeguard").manifest.model.head
    assert (head.kind, head.dtype) == ("logits", "int8")


def test_another_format_is_unknown(here: Here) -> None:
    done = here("export", "model.onnx", *USUAL, "--format", "tensorflow")
    assert done.code == 2
    assert "'tensorflow' is not one of onnx, tflite" in done.err


def test_what_scales_the_channels_of_onnx_networks_alone_is_refused(desk: Path, here: Here) -> None:
    done = here("export", "model.onnx", *USUAL, "--format", "onnx,tflite", "--with", "equalize")
    assert done.code == 2
    assert "equalize scales the channels of an ONNX network, which TFLite's do not follow" in done.err
    assert not list(desk.glob("*.edgeguard"))


def test_what_cannot_be_converted_is_told_what_can(desk: Path, here: Here) -> None:
    done = here("export", "model.onnx", *USUAL, "--format", "tflite")
    assert done.code == 3
    assert "error: an ONNX file cannot be converted to TFLite. Export from the torch network" in done.err
    assert not list(desk.glob("*.edgeguard"))
