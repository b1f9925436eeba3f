"""Networks converted once a session, for a conversion takes ten seconds."""

from __future__ import annotations

import pytest

from edgeguard.export.tflite.convert import convert
from tests.networks import SHAPE, Tiny


@pytest.fixture(scope="session")
def converted_tiny(network: Tiny) -> bytes:
    """The tiny network as a float TFLite model."""
    return convert(network, SHAPE)
