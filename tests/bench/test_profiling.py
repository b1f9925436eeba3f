"""ONNX Runtime's own profile, of a real model and of events made up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.bench.demand_messages import ProfileRequest
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.profiling import measure_profile, nodes_of
from edgeguard.bench.variants import choose_variants
from tests.artifacts import make_artifact


def test_the_nodes_of_a_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = open_artifact(make_artifact(tmp_path))
    subjects = {subject.name: subject for subject in choose_variants(artifact, tmp_path).subjects}
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    nodes = measure_profile(ProfileRequest(subjects["int8"], 20, 3, 1)).nodes
    ops = [node.op for node in nodes]
    assert ops.count("QLinearConv") == 2
    assert ops[0] == "QuantizeLinear"
    assert sum(node.share for node in nodes) == pytest.approx(1)
    assert all(node.median_us is not None and node.median_us >= 0 for node in nodes)
    assert list(scratch.iterdir()) == []
    defended = ask_worker(ProfileRequest(subjects["defended"], 5, 1, 1), timeout=60).nodes
    assert len(defended) > len(nodes)


def event(name: str, op: str, duration: int, category: str = "Node") -> dict[str, Any]:
    return {"cat": category, "name": name, "dur": duration, "args": {"op_name": op}}


def test_warm_up_and_what_is_no_kernel_are_left_out() -> None:
    run = [event("a_kernel_time", "Conv", 0), event("b_kernel_time", "Mul", 0), event("a_fence_before", "Conv", 9)]
    events = [
        event("session_initialization", "", 500, "Session"),
        *[{**entry, "dur": entry["dur"] + 100} for entry in run],
        *[{**entry, "dur": dur} for dur, entry in zip((6, 2, 50), run, strict=True)],
        *[{**entry, "dur": dur} for dur, entry in zip((8, 4, 50), run, strict=True)],
    ]
    conv, mul = nodes_of(events, 1)
    assert (conv.name, conv.op, conv.median_us, conv.share) == ("a", "Conv", 7.0, 0.7)
    assert (mul.name, mul.op, mul.median_us, mul.share) == ("b", "Mul", 3.0, 0.3)


def test_nodes_that_take_no_whole_microsecond_have_no_share() -> None:
    (node,) = nodes_of([event("a_kernel_time", "Conv", 0)], 0)
    assert (node.median_us, node.share) == (0.0, 0.0)
