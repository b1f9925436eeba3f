"""``edgeguard verify`` through the real command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from tests.artifacts import make_artifact, repack
from tests.cli.shell import assert_clean_failure, edgeguard


def test_an_intact_artifact_prints_one_line_a_check(tmp_path: Path) -> None:
    done = edgeguard("verify", make_artifact(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in ("files", "output", "answers", "goldens")]
    assert "32 answers" in lines[3]
    assert done.stderr == ""


def test_json(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    done = edgeguard("verify", artifact, "--json", "--threads", "2")
    found = json.loads(done.stdout)
    assert found["passed"] is True
    assert found["artifact"] == str(artifact)
    assert found["facts"]["threads"] == "2"
    assert found["goldens"]["count"] == 32
    assert {check["name"]: check["passed"] for check in found["checks"]} == dict.fromkeys(
        ("files", "output", "answers", "goldens"), True
    )


def test_one_changed_byte_exits_4(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    data = bytearray((artifact / "model.onnx").read_bytes())
    data[-1] ^= 1
    (artifact / "model.onnx").write_bytes(data)
    done = edgeguard("verify", artifact)
    assert_clean_failure(done, 4, "model.onnx", "differs from what the manifest records", "Deploy the artifact again")
    assert done.stdout == ""


def test_an_extra_file_exits_4(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    (artifact / "notes.txt").write_text("hello")
    assert_clean_failure(edgeguard("verify", artifact), 4, "notes.txt", "does not belong")


def hostile_name(content: dict[str, Any]) -> None:
    content["files"]["../x"] = {"sha256": "0" * 64, "size": 0}


@pytest.mark.parametrize("kind", ["not JSON", "hostile name", "wrong value", "newer reader"])
def test_a_bad_manifest_exits_4(tmp_path: Path, kind: str) -> None:
    artifact = make_artifact(tmp_path)
    path = artifact / "manifest.json"
    content = json.loads(path.read_bytes())
    if kind == "hostile name":
        hostile_name(content)
    elif kind == "wrong value":
        content["model"]["head"]["classes"] = 1
    elif kind == "newer reader":
        content["min_reader"] = 99
    path.write_text("{" if kind == "not JSON" else json.dumps(content))
    assert_clean_failure(edgeguard("verify", artifact), 4, str(path))


def test_a_defended_graph_that_exposes_logits_exits_3(tmp_path: Path) -> None:
    """Row 12 of the hostile inputs."""

    def expose(model: ModelProto) -> None:
        model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10]))

    artifact = repack(make_artifact(tmp_path), model=expose)
    done = edgeguard("verify", artifact)
    assert_clean_failure(done, 3, str(artifact / "model.onnx"), "a defended graph still exposes logits")
    assert done.stdout == ""


def test_answers_that_are_no_posterior_exit_3(tmp_path: Path) -> None:
    def double(model: ModelProto) -> None:
        model.graph.node[-1].output[0] = "half"
        model.graph.node.append(helper.make_node("Add", ["half", "half"], ["probabilities"]))

    artifact = repack(make_artifact(tmp_path), model=double)
    done = edgeguard("verify", artifact)
    assert_clean_failure(done, 3, str(artifact), "sum to 1 only within 1", "Export it again")
    assert done.stdout.splitlines()[-1].startswith("FAILED  answers")


def test_other_answers_than_the_exporters_exit_3_and_json_says_so_too(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    with np.load(artifact / "golden.npz") as content:
        arrays = {name: content[name] for name in content}
    arrays["answers"] = np.roll(arrays["answers"], 1, axis=-1)
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    repack(artifact, golden=stream.getvalue())
    done = edgeguard("verify", artifact, "--json")
    assert_clean_failure(done, 3, "goldens", "32 with another argmax", "this machine computes something else")
    found = json.loads(done.stdout)
    assert found["passed"] is False
    assert found["goldens"]["flips"] == 32


def test_damaged_goldens_exit_3(tmp_path: Path) -> None:
    artifact = repack(make_artifact(tmp_path), golden=b"PK\x03\x04 nothing")
    assert_clean_failure(edgeguard("verify", artifact), 3, "golden.npz", "cannot be read", "Export the artifact again")


def test_what_is_no_artifact_exits_2(tmp_path: Path) -> None:
    assert_clean_failure(edgeguard("verify", tmp_path / "nothing.edgeguard"), 2, "nothing.edgeguard", "not an artifact")


def test_a_model_that_is_called_another_format_than_it_has_exits_3(tmp_path: Path) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["model"].update(format="tflite")
        content.update(min_onnxruntime=None, min_reader=3)

    artifact = repack(make_artifact(tmp_path), manifest=rename)
    assert_clean_failure(edgeguard("verify", artifact), 3, "model.onnx", "the interpreter refuses it")


def test_options_may_stand_in_the_file_beside_the_artifact(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    (tmp_path / "edgeguard.toml").write_text("[verify]\nthreads = 2\njson = true\n")
    assert json.loads(edgeguard("verify", artifact).stdout)["facts"]["threads"] == "2"
    assert json.loads(edgeguard("verify", artifact, "--threads", "1").stdout)["facts"]["threads"] == "1"
