from collections.abc import Iterator

import pytest

from edgeguard.attacks.isolation import isolated


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks on a busy machine wait for threads more than they compute."""
    with isolated():
        yield
