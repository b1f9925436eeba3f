"""The training strategies there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from edgeguard.attacks.readings.bayes import BAYES
from edgeguard.attacks.readings.confidence import FILTERING
from edgeguard.attacks.readings.confident_learning import CONFIDENT_LEARNING
from edgeguard.attacks.readings.consistency import CONSISTENCY
from edgeguard.attacks.readings.naive import NAIVE
from edgeguard.attacks.readings.recovery import RECOVERY
from edgeguard.attacks.readings.rows import ROW_FILTERING
from edgeguard.attacks.readings.s4l import S4L
from edgeguard.attacks.readings.smoothing import SMOOTHING
from edgeguard.attacks.readings.top_1 import TOP_1
from edgeguard.attacks.strategy import Strategy
from edgeguard.errors import UsageError

__all__ = ["STRATEGIES", "find_strategy"]

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        NAIVE,
        TOP_1,
        S4L,
        SMOOTHING,
        RECOVERY,
        BAYES,
        FILTERING,
        ROW_FILTERING,
        CONSISTENCY,
        CONFIDENT_LEARNING,
    )
}


def find_strategy(name: str) -> Strategy:
    """A strategy by its name.

    :raises UsageError: there is none.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        raise UsageError(f"there is no strategy {name!r}", fix=f"Choose one of: {', '.join(STRATEGIES)}") from None
