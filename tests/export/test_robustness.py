"""Real ONNX files from public repositories: each is accepted and defended, or refused as the committed table says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.robustness import ARCHIVE, examine, model_files
from benchmarks.robustness_tables import LIMIT, Row, read_table, table_of
from tests.cli.shell import edgeguard

TABLE = table_of("onnx")
# Larger ones take seconds each: they are the benchmark's.
SMALL = 1 << 20
SLOW = ("bvlc_alexnet", "zfnet512", "resnet50", "inception_v1")
CLASSIFIERS = {
    "React_Native/ort-rn-basic-usage/assets/mnist.onnx": 10,
    "light_bvlc_alexnet.onnx": 1000,
    "light_inception_v1.onnx": 1000,
    "light_resnet50.onnx": 1000,
    "light_shufflenet.onnx": 1000,
    "light_squeezenet.onnx": 1000,
    "light_zfnet512.onnx": 1000,
}
# One of each kind, through the real command line.
THROUGH_THE_SHELL = (
    "ort-rn-basic-usage/assets/mnist.onnx",
    "light_squeezenet.onnx",
    "test_single_relu_model/model.onnx",
    "dort_models/llama_forward.onnx",
    "pykeio+ort/tests/data/upsample.onnx",
    "pykeio+ort/tests/data/custom_op_test.onnx",
    "sonos+tract/onnx/test_cases/qtdnn_10x5_101_i32_biases/model.onnx",
    "sonos+tract/onnx/test_cases/lgbm_classifier_tensor/model.onnx",
    "make_test_op/ops/ArgMax_17.onnx",
    "make_test_op/ops/Loop_1_16.onnx",
)


@pytest.fixture(scope="module")
def table() -> dict[str, Row]:
    return read_table(TABLE)


@pytest.fixture(scope="module")
def unpacked(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    model_files(reference / ARCHIVE, folder, "onnx")
    return folder


def test_the_table_accepts_every_real_classifier_and_nothing_failed(table: dict[str, Row]) -> None:
    for end, classes in CLASSIFIERS.items():
        (row,) = [row for file, row in table.items() if file.endswith(end)]
        assert (row.verdict, row.classes, row.int8) == ("accepted", classes, "accepted")
    for row in table.values():
        assert row.verdict == "accepted" or (row.verdict == "rejected" and row.code == 3), row
        assert (row.verdict == "accepted") == (row.rule == ""), row
        assert row.rule != "other", row
        assert max(row.seconds, row.int8_seconds) < LIMIT, row


@pytest.mark.reference
def test_every_file_is_in_the_table(unpacked: Path, table: dict[str, Row]) -> None:
    assert {str(path.relative_to(unpacked)) for path in unpacked.rglob("*.onnx")} == set(table)


@pytest.mark.reference
@pytest.mark.slow
def test_small_files_fare_as_the_table_says(unpacked: Path, table: dict[str, Row], tmp_path: Path) -> None:
    files = [path for path in sorted(unpacked.rglob("*.onnx")) if path.stat().st_size < SMALL]
    files = [path for path in files if not any(name in path.name for name in SLOW)]
    assert len(files) > 120
    differing = []
    for row in examine(files, unpacked, tmp_path, int8=False):
        expected = table[row.file]
        if (row.verdict, row.code, row.rule, row.classes) != (
            expected.verdict,
            expected.code,
            expected.rule,
            expected.classes,
        ):
            differing.append((row, expected))
    assert not differing


@pytest.mark.reference
@pytest.mark.parametrize("end", THROUGH_THE_SHELL)
def test_through_the_command_line(unpacked: Path, table: dict[str, Row], tmp_path: Path, end: str) -> None:
    (row,) = [row for file, row in table.items() if file.endswith(end)]
    output = tmp_path / "out.edgeguard"
    done = edgeguard("export", unpacked / row.file, "--defend", "-o", output, "--json")
    assert done.returncode == row.code, done.stderr
    assert "Traceback" not in done.stderr
    if row.verdict == "accepted":
        found = json.loads(done.stdout)
        assert found["model"]["head"] == {**found["model"]["head"], "kind": "posterior", "classes": row.classes}
        assert found["defense"]["name"] == "label"
        assert found["defense"]["file_undefended"] is False
        verified = edgeguard("verify", output)
        assert verified.returncode == 0, verified.stderr
    else:
        # The table's message names the file, the terminal's the path to it.
        assert row.message.split(": ", 1)[-1] in done.stderr
        assert list(tmp_path.iterdir()) == []
