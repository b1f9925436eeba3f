"""Choosing how much is done."""

from __future__ import annotations

import pytest

from edgeguard.calibration.effort import DEFAULT_EFFORT, EFFORTS, REFINEMENTS, chosen
from edgeguard.calibration.observers import OBSERVERS
from edgeguard.errors import UsageError


@pytest.mark.parametrize("name", list(EFFORTS))
def test_efforts_name_what_there_is(name: str) -> None:
    effort = chosen(name)  # type: ignore[arg-type]
    assert effort == EFFORTS[name]  # type: ignore[index]
    assert effort.observer in OBSERVERS
    assert set(effort.refinements) <= set(REFINEMENTS)


def test_refinements_run_in_one_order_whatever_order_they_are_named_in() -> None:
    effort = chosen("fast", ("gptq", "equalize"), ("fast-bias",))
    assert effort.refinements == ("equalize", "gptq")
    assert chosen("fast", ("fast-bias",)) == EFFORTS["fast"]


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT_EFFORT in EFFORTS


def test_contradictions_and_strangers_are_refused() -> None:
    with pytest.raises(UsageError, match="both"):
        chosen("fast", ("gptq",), ("gptq",))
    with pytest.raises(UsageError, match="no refinement 'magic'"):
        chosen("fast", ("magic",))
