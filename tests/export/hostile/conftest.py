"""Fixtures for files that try to do something."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the payloads create; where no export writes."""
    return tmp_path_factory.mktemp("canary") / "created"
