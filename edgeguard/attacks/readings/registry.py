"""The training strategies there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from edgeguard.attacks.readings.confidence import FILTERING
from edgeguard.attacks.readings.naive import NAIVE
from edgeguard.attacks.readings.recovery import RECOVERY
from edgeguard.attacks.readings.smoothing import SMOOTHING
from edgeguard.attacks.readings.top_1 import TOP_1
from edgeguard.attacks.strategy import Strategy
from edgeguard.errors import UsageError

__all__ = ["STRATEGIES", "find_strategy"]

STRATEGIES: dict[str, Strategy] = {strategy.name: strategy for strategy in (NAIVE, TOP_1, SMOOTHING, RECOVERY, FILTERING)}


def find_strategy(name: str) -> Strategy:
    """A strategy by its name.

    :raises UsageError: there is none.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        raise UsageError(f"there is no strategy {name!r}", fix=f"Choose one of: {', '.join(STRATEGIES)}") from None
