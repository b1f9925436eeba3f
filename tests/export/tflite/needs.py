"""What tests of the conversion need that not every environment has."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

__all__ = ["needs_litert_torch"]

needs_litert_torch = pytest.mark.skipif(
    find_spec("litert_torch") is None, reason="litert-torch is not installed (pip install 'edgeguard[tflite]')"
)
