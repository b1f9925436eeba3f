"""Durations as people write them."""

from __future__ import annotations

import pytest

from edgeguard.bench.durations import parse_duration
from edgeguard.errors import UsageError


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("1.5h", 5400), (" 2m ", 120)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--sustained") == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "10 minutes", "1e3s", "infs", "nans", "1h30m", "10M", "٣m"])
def test_what_is_none_is_named_with_its_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"--sustained: is no duration.*10m"):
        parse_duration(text, "--sustained")
