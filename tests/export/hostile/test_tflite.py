"""Row 14 of the anchors: ``.tflite`` files that are corrupt, or that take the interpreter down with them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgeguard.errors import BadModel
from edgeguard.runtimes import tflite_probe
from edgeguard.runtimes.tflite_probe import probe_tflite
from tests.export.hostile.networks import write
from tests.export.hostile.refusals import refuse

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")


@pytest.fixture(scope="module")
def real(reference: Path) -> Path:
    return reference / "models" / "mlperf_tiny" / "kws_ref_model.tflite"


@pytest.mark.parametrize("size", [8, 64, 5000, 500_000])
def test_row_14_noise_behind_the_right_beginning(tmp_path: Path, size: int) -> None:
    data = b"\x1c\0\0\0TFL3" + np.random.default_rng(size).bytes(size)
    refuse(write(data, tmp_path, "model.tflite"), "model.tflite", "the interpreter")


@pytest.mark.reference
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_row_14_a_truncated_file(real: Path, tmp_path: Path, kept: float) -> None:
    data = real.read_bytes()
    refuse(write(data[: int(kept * len(data))], tmp_path, "model.tflite"), "model.tflite", "the interpreter")


# One byte of a real file, found by changing thousands: LiteRT 2.3.0 dies of each.
KILLERS = {
    "two_signatures_a8w8.tflite": (1204, 4, "SIGABRT"),
    "single_transpose_int32.tflite": (16, 20, "SIGSEGV"),
}


@pytest.mark.reference
@pytest.mark.parametrize("name", KILLERS)
def test_row_14_a_file_that_kills_the_interpreter(reference: Path, tmp_path: Path, name: str) -> None:
    position, before, signal = KILLERS[name]
    with zipfile.ZipFile(reference / "robustness" / "real_models.zip") as archive:
        (member,) = [member for member in archive.namelist() if member.endswith(f"/{name}")]
        data = bytearray(archive.read(member))
    assert probe_tflite(write(bytes(data), tmp_path, "sound.tflite")) is not None
    assert data[position] == before
    data[position] = 0
    path = write(bytes(data), tmp_path, "model.tflite")
    refuse(path, "model.tflite", f"it kills the interpreter ({signal})", "Convert the network again")


@pytest.mark.reference
def test_a_sound_file_is_told_what_export_begins_with(real: Path, tmp_path: Path) -> None:
    assert probe_tflite(real) is not None
    refuse(write(real.read_bytes(), tmp_path, "model.tflite"), "is a TensorFlow Lite model", ".pt, .pt2 or .onnx")


def test_an_interpreter_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflite_probe, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(tflite_probe, "_SECONDS", 0.5)
    with pytest.raises(BadModel, match="hangs on it"):
        probe_tflite(write(b"", tmp_path, "model.tflite"))
