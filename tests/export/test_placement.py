"""The same defense in the graph and on the host: equal answers, and a file that says which of the two it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edgeguard.artifact import GOLDEN
from edgeguard.export.pipeline import export
from edgeguard.export.request import DefenseChoice, QuantizationChoice
from edgeguard.manifest import Manifest
from edgeguard.runtimes import load
from edgeguard.runtimes.verify import verify
from tests.artifacts import random_images
from tests.export.graphs import run
from tests.export.requests import Heard, request_for, unit, write_images, write_model

Placement = Literal["graph", "host"]
HeadKind = Literal["float", "int8"]


def made(folder: Path, placement: Placement, head: HeadKind | None) -> tuple[Path, Manifest, list[str]]:
    """An export to ``folder/PLACEMENT-HEAD.edgeguard``; ``None`` leaves the network in float."""
    heard = Heard()
    request = request_for(
        write_model(folder / "model.onnx"),
        folder / f"{placement}-{head}.edgeguard",
        data=write_images(folder / "images.npz", 48),
        defense=DefenseChoice("dcp", placement=placement),
        quantization=None if head is None else QuantizationChoice(head),
    )
    return request.output, export(request, heard), heard.warnings


@pytest.mark.parametrize("head", ["float", "int8", None])
def test_both_placements_answer_alike(tmp_path: Path, head: HeadKind | None) -> None:
    """Within float32 rounding, except where it decides the gate: there a thousandfold steeper, anchors section 2."""
    graph, _, _ = made(tmp_path, "graph", head)
    host, _, _ = made(tmp_path, "host", head)
    pictures = random_images(200, seed=8)
    found = [load(path).predict(pictures) for path in (graph, host)]
    assert np.abs(found[0] - found[1]).max() < 1e-4
    assert np.quantile(np.abs(found[0] - found[1]).max(axis=1), 0.9) < 1e-6
    measured = [made_manifest.measured for made_manifest in (load(graph).manifest, load(host).manifest)]
    assert measured[0] is not None
    assert measured[1] is not None
    for field in ("agreement", "flips", "l1_mean", "l1_max"):
        assert getattr(measured[0], field) == pytest.approx(getattr(measured[1], field), abs=1e-4)
    for path in (graph, host):
        assert verify(path).passed


def test_a_host_defended_file_says_so_everywhere(tmp_path: Path) -> None:
    path, manifest, warnings = made(tmp_path, "host", "float")
    assert manifest.defense is not None
    assert (manifest.defense.placement, manifest.defense.file_undefended) == ("host", True)
    assert any("the model file itself is NOT defended (placement host)" in text for text in warnings)
    assert manifest.warnings == tuple(warnings)
    assert manifest.model.head.kind == "logits"
    assert manifest.model.output_name == "logits"
    raw = run(onnx.load(path / "model.onnx"), unit((3, 16, 16))(random_images(20)))
    assert raw.min() < 0
    answers = load(path).predict(random_images(20))
    assert answers.min() >= 0
    assert np.abs(answers.sum(axis=1) - 1).max() < 1e-5


def test_a_graph_defended_file_needs_no_warning(tmp_path: Path) -> None:
    _, manifest, warnings = made(tmp_path, "graph", "float")
    assert manifest.defense is not None
    assert manifest.defense.file_undefended is False
    assert manifest.warnings == ()
    assert warnings == []


def test_an_int8_head_on_the_host_hands_over_integers(tmp_path: Path) -> None:
    path, manifest, _ = made(tmp_path, "host", "int8")
    model = onnx.load(path / "model.onnx")
    (output,) = model.graph.output
    assert output.type.tensor_type.elem_type == TensorProto.UINT8
    head = manifest.model.head
    assert head.dtype == "uint8"
    assert head.scale is not None
    assert head.zero_point is not None
    raw = run(model, unit((3, 16, 16))(random_images(50)))
    exact = run(onnx.load(tmp_path / "host-int8.lab" / "float.onnx"), unit((3, 16, 16))(random_images(50)))
    logits = (raw.astype(np.float64) - head.zero_point) * head.scale
    posterior = np.exp(logits - logits.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    # Two quantization steps of the logits, at the steepest point of a posterior (1/4).
    assert np.abs(posterior - exact).max() < 2 * head.scale


def test_goldens_hold_answers_and_no_logits(tmp_path: Path) -> None:
    path, _, _ = made(tmp_path, "host", "int8")
    with np.load(path / GOLDEN) as golden:
        assert np.abs(golden["answers"].sum(axis=1) - 1).max() < 1e-5
        assert np.abs(load(path).answer(golden["inputs"]) - golden["answers"]).max() < 1e-6
