"""ONNX Runtime keeps nothing about the device, and tells nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeguard.runtimes.quiet_onnxruntime import import_onnxruntime
from tests.calibration.networks import convolutions

# What makes ONNX Runtime take a machine for one that builds software, where it is silent anyway.
_BUILDERS = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY")


def test_a_session_leaves_nothing_in_the_users_home(tmp_path: Path) -> None:
    model, home = tmp_path / "model.onnx", tmp_path / "home"
    model.write_bytes(convolutions())
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in _BUILDERS}
    code = "import sys; from edgeguard.runtimes.ort_session import open_session; open_session(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, model], env=environment | {"HOME": str(home)}, check=True)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_the_user_has_the_last_word(monkeypatch: pytest.MonkeyPatch, before: str | None, after: str) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if before is not None:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", before)
    assert import_onnxruntime().__name__ == "onnxruntime"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == after
