"""Small networks on one thread: where cores are busy, two threads wait for each other longer than they compute."""

from collections.abc import Iterator

import pytest

from edgeguard.attacks.isolation import isolated


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with isolated():
        yield
