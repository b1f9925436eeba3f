"""Verification on the device: digests, the contract of answers, golden answers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from edgeguard.errors import BadData, BadModel, RejectedInput, Untrusted
from edgeguard.runtimes.verify import Verification, verify
from tests.artifacts import make_artifact, repack

CHECKS = ["files", "output", "answers", "goldens"]


def goldens(artifact: Path) -> dict[str, np.ndarray]:
    with np.load(artifact / "golden.npz") as content:
        return {name: content[name] for name in content}


def with_goldens(artifact: Path, arrays: dict[str, np.ndarray]) -> Path:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return repack(artifact, golden=stream.getvalue())


def failed(found: Verification) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"placement": "host"},
        {"placement": "host", "head": "int8"},
        {"defense": None},
        {"quantized": False},
        {"batch": 3},
        {"images": False},
        {"classes": 100},
    ],
    ids=str,
)
def test_every_kind_of_artifact_verifies(tmp_path: Path, kind: dict[str, Any]) -> None:
    found = verify(make_artifact(tmp_path, **kind))
    assert found.passed
    assert [check.name for check in found.checks] == CHECKS
    # Of 100 classes of a random network the first two often lie too close together for a golden.
    assert 16 <= found.goldens.count <= 32
    assert found.goldens.worst < 0.1
    assert found.goldens.flips == found.goldens.outside == 0
    assert found.facts["engine"] == "onnxruntime"
    found.require()


def test_host_placement_is_said_aloud(tmp_path: Path) -> None:
    details = {check.name: check.detail for check in verify(make_artifact(tmp_path, placement="host")).checks}
    assert "NOT defended" in details["output"]


@pytest.mark.parametrize(("factor", "outside"), [(0.9, 0), (1.1, 1)])
def test_a_golden_answer_may_move_by_its_tolerance(tmp_path: Path, factor: float, outside: int) -> None:
    artifact = make_artifact(tmp_path)
    arrays = goldens(artifact)
    row = int(arrays["answers"].max(axis=-1).argmax())
    # from the surest class to the least likely one, so that the argmax stays
    arrays["answers"][row, arrays["answers"][row].argmax()] += arrays["tolerance"][row] * factor
    found = verify(with_goldens(artifact, arrays))
    assert found.goldens.outside == outside
    assert found.goldens.worst == pytest.approx(factor, abs=0.02)
    assert found.goldens.flips == 0
    assert failed(found) == ["goldens"] * outside


def test_an_authentic_artifact_that_answers_differently_here_is_rejected_with_the_reason(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    arrays = goldens(artifact)
    arrays["answers"] = np.roll(arrays["answers"], 1, axis=-1)
    found = verify(with_goldens(artifact, arrays))
    assert found.goldens.flips == found.goldens.outside == 32
    assert failed(found) == ["goldens"]
    with pytest.raises(RejectedInput, match="32 with another argmax") as raised:
        found.require()
    assert raised.value.exit_code == 3
    assert "this machine computes something else" in str(raised.value.fix)


def test_another_argmax_fails_even_within_the_tolerance(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    arrays = goldens(artifact)
    arrays["answers"] = np.roll(arrays["answers"], 1, axis=-1)
    arrays["tolerance"][:] = 2
    found = verify(with_goldens(artifact, arrays))
    assert found.goldens.outside == 0
    assert failed(found) == ["goldens"]


def test_without_goldens_the_rest_is_checked_and_the_gap_is_said(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    found = verify(with_goldens(artifact, {name: value[:0] for name, value in goldens(artifact).items()}))
    assert found.passed
    assert found.goldens.count == 0
    assert "NO golden input" in found.checks[-1].detail


def answer_with_logits(model: ModelProto) -> None:
    """Logits under the name of the answers."""
    kept = [node for node in model.graph.node if not node.name.startswith("edgeguard/")]
    for node in kept:
        node.output[:] = ["probabilities" if name == "logits" else name for name in node.output]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def break_in_the_dark(operators: list[str]) -> Callable[[ModelProto], None]:
    """A network whose good answers go through ``operators`` with the sign of the input's largest value: 0 if black."""

    def change(model: ModelProto) -> None:
        model.graph.node[-1].output[0] = "good_0"
        model.graph.node.append(helper.make_node("ReduceMax", ["image"], ["brightest"], keepdims=0))
        model.graph.node.append(helper.make_node("Sign", ["brightest"], ["sign"]))
        for index, operator in enumerate(operators):
            model.graph.node.append(helper.make_node(operator, [f"good_{index}", "sign"], [f"good_{index + 1}"]))
        model.graph.node[-1].output[0] = "probabilities"

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (answer_with_logits, "negative probability|sum to 1"),
        (break_in_the_dark(["Mul"]), "sum to 1 only within 1,"),
        (break_in_the_dark(["Mul", "Div"]), "NaN"),
    ],
)
def test_the_contract_is_checked_on_inputs_that_are_no_goldens(
    tmp_path: Path, change: Callable[[ModelProto], None], says: str
) -> None:
    # A batch of one, so that no input can lend its brightness to its neighbours.
    artifact = repack(make_artifact(tmp_path, batch=1), model=change)
    found = verify(artifact)
    assert failed(found) == ["answers"]
    with pytest.raises(RejectedInput, match=says) as raised:
        found.require()
    assert "contract" in str(raised.value.fix)


def test_answers_that_differ_from_one_time_to_the_next_are_noticed(tmp_path: Path) -> None:
    def randomise(model: ModelProto) -> None:
        model.graph.node[-1].output[0] = "good"
        model.graph.node.extend(
            [
                helper.make_node("RandomUniformLike", ["good"], ["random"], low=0.5, high=1.5),
                helper.make_node("Softmax", ["random"], ["probabilities"], axis=-1),
            ]
        )

    found = verify(repack(make_artifact(tmp_path), model=randomise))
    assert failed(found) == ["answers"]
    assert "differently the second time" in found.checks[2].detail


def test_a_graph_that_exposes_its_logits_is_rejected(tmp_path: Path) -> None:
    def expose(model: ModelProto) -> None:
        model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10]))

    with pytest.raises(BadModel, match="still exposes logits"):
        verify(repack(make_artifact(tmp_path), model=expose))


def test_one_changed_byte_is_untrusted(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    data = bytearray((artifact / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 4
    (artifact / "model.onnx").write_bytes(data)
    with pytest.raises(Untrusted) as raised:
        verify(artifact)
    assert raised.value.exit_code == 4


def test_an_artifact_without_goldens_file_is_untrusted(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    (artifact / "golden.npz").unlink()
    repack(artifact, manifest=lambda content: content["files"].pop("golden.npz"))
    with pytest.raises(Untrusted, match=r"has no golden\.npz"):
        verify(artifact)


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def flipped_byte(good: bytes) -> bytes:
    data = bytearray(good)
    data[200] ^= 0xFF
    return bytes(data)


def bomb(_: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inputs.npy", b"\0" * (80 << 20))
    return stream.getvalue()


def lying_header(_: bytes) -> bytes:
    """An array that claims 10^12 entries and has none."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inputs.npy", header.getvalue())
    return stream.getvalue()


INPUTS = np.zeros((2, 3, 16, 16), np.float32)
ANSWERS = np.full((2, 10), 0.1, np.float32)
TOLERANCE = np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda _: b"", "cannot be read"),
        (lambda _: b"no zip", "cannot be read"),
        (lambda good: good[:-40], "cannot be read"),
        (flipped_byte, "cannot be read"),
        (bomb, "unpacks to"),
        (lying_header, "cannot be read"),
        (lambda _: npz(inputs=INPUTS), "cannot be read"),
        (lambda _: npz(inputs=np.array([{}]), answers=ANSWERS, tolerance=TOLERANCE), "cannot be read"),
        (lambda _: npz(inputs=INPUTS[:1], answers=ANSWERS, tolerance=TOLERANCE), "answers are float32"),
        (lambda _: npz(inputs=INPUTS[..., :4], answers=ANSWERS, tolerance=TOLERANCE), "inputs are float32"),
        (lambda _: npz(inputs=INPUTS, answers=ANSWERS.astype(float), tolerance=TOLERANCE), "answers are float64"),
        (lambda _: npz(inputs=INPUTS, answers=ANSWERS, tolerance=np.float32(1)), "tolerance are float32"),
        (lambda _: npz(inputs=INPUTS, answers=ANSWERS, tolerance=TOLERANCE * 0), "not positive"),
        (lambda _: npz(inputs=INPUTS, answers=ANSWERS, tolerance=TOLERANCE * np.nan), "tolerance hold NaN"),
        (lambda _: npz(inputs=INPUTS + np.inf, answers=ANSWERS, tolerance=TOLERANCE), "inputs hold NaN"),
    ],
)
def test_damaged_goldens_are_rejected_by_name(tmp_path: Path, damage: Callable[[bytes], bytes], says: str) -> None:
    artifact = make_artifact(tmp_path)
    repack(artifact, golden=damage((artifact / "golden.npz").read_bytes()))
    with pytest.raises(BadData, match=says) as raised:
        verify(artifact)
    assert raised.value.where == str(artifact / "golden.npz")
