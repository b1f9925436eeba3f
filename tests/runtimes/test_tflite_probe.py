"""The process in which ``.tflite`` files are tried; what real files do to it is in ``tests/export/hostile``."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.errors import BadModel
from edgeguard.runtimes import tflite_probe
from edgeguard.runtimes.tflite_probe import probe_tflite
from tests.tflite_files import dense_file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(dense_file())
    return path


def in_the_run(monkeypatch: pytest.MonkeyPatch, instead: str) -> None:
    run = "    interpreter.invoke()\n"
    assert run in tflite_probe._CHILD
    monkeypatch.setattr(tflite_probe, "_CHILD", tflite_probe._CHILD.replace(run, f"    {instead}\n"))


def test_inputs_and_outputs_are_told(model: Path) -> None:
    found = probe_tflite(model)
    assert found is not None
    assert found.inputs == (("image:0", (1, 4, 4, 3), "float32"),)
    assert found.outputs == (("probabilities", (1, 10), "float32"),)


def test_a_file_that_kills_only_who_runs_it_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_run(monkeypatch, "import os; os.abort()")
    with pytest.raises(BadModel, match=r"kills the interpreter \(SIGABRT\)"):
        probe_tflite(model)


def test_a_file_that_merely_fails_to_run_is_left_to_who_runs_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_run(monkeypatch, "raise RuntimeError('no')")
    assert probe_tflite(model) is not None


def test_a_file_like_a_module_in_the_current_directory_is_not_imported(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert probe_tflite(model) is not None
