"""``edgeguard accuracy`` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.artifacts import make_artifact, random_images
from tests.cli.shell import assert_clean_failure, edgeguard


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("accuracy"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    np.savez(tmp_path / "data.npz", x=random_images(60, seed=21), y=np.arange(60) % 10)
    return tmp_path / "data.npz"


def test_the_table_holds_every_figure(artifact: Path, data: Path) -> None:
    found = json.loads(edgeguard("accuracy", artifact, "--data", data, "--json").stdout)
    done = edgeguard("accuracy", artifact, "--data", data)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "60 images of data.npz"
    table = dict(
        zip((line[:34].strip() for line in lines[1:]), (line[34:42].strip() for line in lines[1:]), strict=True)
    )
    assert table["accuracy"] == f"{found['accuracy']['value']:.2%}"
    assert table["agreement with the float network"] == f"{found['agreement']['value']:.2%}"
    assert table["argmax changed by the defense"] == f"{found['flips']['value']:.2%}"
    assert table["L1 distance made by the defense"] == f"{found['l1_mean']:.4f}"
    assert table["calibration error (ECE, 15 bins)"] == f"{found['ece']:.4f}"
    assert done.stderr == ""


def test_json_holds_counts_intervals_and_what_was_skipped(artifact: Path, data: Path) -> None:
    done = edgeguard("accuracy", artifact, "--data", data, "--json", "--limit", "20", "--threads", "2")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["images"] == 20
    share = found["accuracy"]
    assert share["total"] == 20
    assert share["value"] == share["count"] / 20
    assert share["interval95"][0] <= share["value"] <= share["interval95"][1]
    assert found["l1_max"] >= found["l1_mean"] > 0
    assert found["ece"] != found["ece_undefended"]
    assert found["skipped"] == []


def test_without_lab_and_labels_it_says_why_nothing_is_left(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path, with_lab=False)
    np.save(tmp_path / "data.npy", random_images(20))
    done = edgeguard("accuracy", artifact, "--data", tmp_path / "data.npy")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "20 images of data.npy"
    assert [line.startswith("not measured: ") for line in lines[1:]] == [True, True]
    assert "the lab has no float.onnx" in lines[1]
    assert "the set has no labels" in lines[2]


def test_labels_out_of_range_exit_3(artifact: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=random_images(20), y=np.arange(20))
    done = edgeguard("accuracy", artifact, "--data", tmp_path / "data.npz")
    assert_clean_failure(done, 3, "data.npz", "has the label 19; the network's classes are 0 to 9")
    assert done.stdout == ""


def test_missing_data_exits_3_and_no_data_2(artifact: Path, tmp_path: Path) -> None:
    assert_clean_failure(edgeguard("accuracy", artifact, "--data", tmp_path / "none"), 3, str(tmp_path / "none"))
    done = edgeguard("accuracy", artifact)
    assert done.returncode == 2
    assert "--data" in done.stderr


def test_a_tampered_lab_exits_4(tmp_path: Path, data: Path) -> None:
    artifact = make_artifact(tmp_path)
    (tmp_path / "model.lab" / "int8.onnx").write_bytes(b"another")
    assert_clean_failure(edgeguard("accuracy", artifact, "--data", data), 4, "int8.onnx")
