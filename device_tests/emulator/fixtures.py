"""The emulated device as a pytest fixture; a ``conftest.py`` imports it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from device_tests.emulator.image import build
from device_tests.emulator.machine import Machine, start
from device_tests.emulator.tools import Unavailable, missing_tools

__all__ = ["emulated"]


@pytest.fixture(scope="session")
def emulated() -> Iterator[Machine]:
    """A device of this worker's own: tests that use it are marked ``device`` and skip where there can be none.

    It is shared by the worker's tests: one that cuts its power switches it on again, and each uses its own directory.
    """
    reason = missing_tools()
    if reason is not None:
        pytest.skip(reason)
    try:
        image = build()
    except Unavailable as error:
        pytest.skip(str(error))
    with start(image) as machine:
        yield machine
