"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.inprocess import Here
from tests.export.requests import write_images, write_model


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """The command line, in this process."""
    return Here(capsys)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: ``model.onnx`` and 40 images in ``images.npz``."""
    write_model(tmp_path / "model.onnx")
    write_images(tmp_path / "images.npz", 40)
    monkeypatch.chdir(tmp_path)
    return tmp_path
