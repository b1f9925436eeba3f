"""Fixtures that every part of the suite shares."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from device_tests.emulator.fixtures import emulated  # noqa: F401 - a fixture, found by its name

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The reference data; tests that use it are marked ``reference`` and skip where it is absent."""
    path = Path(os.environ.get("EDGEGUARD_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not path.is_dir():
        pytest.skip(f"no reference data at {path} (set EDGEGUARD_REFERENCE)")
    return path


@pytest.fixture(scope="session")
def imgpack(reference: Path) -> ModuleType:
    """The reader of the packed image sets that lies beside them."""
    sys.path.insert(0, str(reference))
    try:
        import imgpack
    finally:
        sys.path.remove(str(reference))
    return imgpack
