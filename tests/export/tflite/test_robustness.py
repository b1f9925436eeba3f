"""Real TFLite files from public repositories: each is defended, or refused as the committed table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.robustness import ARCHIVE, examine, model_files
from benchmarks.robustness_tables import LIMIT, read_table, table_of
from tests.cli.shell import edgeguard

TABLE = table_of("tflite")
CLASSIFIERS = ("models/mnist_quantized.tflite", "mnist_lstm/trained_lstm_int8.tflite")
# Of every kind of refusal, and of what is accepted, so many.
_EACH = 2


def test_nothing_in_the_table_failed() -> None:
    rows = read_table(TABLE).values()
    assert len(rows) > 130
    for row in rows:
        assert row.verdict == "accepted" or (row.verdict == "rejected" and row.code == 3), row
        assert (row.verdict == "accepted") == (row.rule == ""), row
        assert row.rule != "other", row
        assert row.seconds < LIMIT, row
    for end in CLASSIFIERS:
        (row,) = [row for row in rows if row.file.endswith(end)]
        assert (row.verdict, row.classes) == ("accepted", 10), row


@pytest.mark.reference
@pytest.mark.slow
def test_files_of_every_kind_fare_as_the_table_says(reference: Path, tmp_path: Path) -> None:
    folder, scratch = tmp_path / "files", tmp_path / "out"
    scratch.mkdir()
    files, table = model_files(reference / ARCHIVE, folder, "tflite"), read_table(TABLE)
    assert {str(path.relative_to(folder)) for path in files} == set(table)
    chosen = [path for path in files if _first_of_its_kind(str(path.relative_to(folder)))]
    assert len(chosen) > 10
    for row in examine(chosen, folder, scratch, int8=False):
        expected = table[row.file]
        assert (row.verdict, row.code, row.rule, row.classes) == (
            expected.verdict,
            expected.code,
            expected.rule,
            expected.classes,
        )


@pytest.mark.reference
@pytest.mark.parametrize("rule", ["", "no-class-axis"])
def test_through_the_command_line(reference: Path, tmp_path: Path, rule: str) -> None:
    folder, output = tmp_path / "files", tmp_path / "out.edgeguard"
    model_files(reference / ARCHIVE, folder, "tflite")
    row = next(row for row in read_table(TABLE).values() if row.rule == rule)
    done = edgeguard("defend", folder / row.file, "--defense", "label", "-o", output)
    assert done.returncode == row.code, done.stderr
    assert "Traceback" not in done.stderr
    if rule:
        assert not output.exists()
    else:
        verified = edgeguard("verify", output)
        assert verified.returncode == 0, verified.stderr


def _first_of_its_kind(file: str) -> bool:
    rows = read_table(TABLE)
    alike = [name for name, row in rows.items() if row.rule == rows[file].rule]
    return file in alike[:_EACH]
