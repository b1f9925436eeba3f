"""The observers there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from dataclasses import asdict

from edgeguard.calibration.observers.base import Observer
from edgeguard.calibration.observers.entropy import Entropy
from edgeguard.calibration.observers.min_max import MinMax
from edgeguard.calibration.observers.mse import Mse
from edgeguard.calibration.observers.percentile import Percentile
from edgeguard.errors import UsageError

__all__ = ["DEFAULT_OBSERVER", "OBSERVERS", "find_observer", "observer_parameters"]

OBSERVERS: dict[str, Observer] = {observer.name: observer for observer in (MinMax(), Percentile(), Entropy(), Mse())}
DEFAULT_OBSERVER = MinMax.name


def find_observer(name: str) -> Observer:
    """The observer called ``name``.

    :raises UsageError: there is none.
    """
    try:
        return OBSERVERS[name]
    except KeyError:
        raise UsageError(f"there is no observer {name!r}", fix=f"Choose one of: {', '.join(OBSERVERS)}") from None


def observer_parameters(observer: Observer) -> dict[str, float]:
    """The parameters of an observer, by name."""
    return asdict(observer)  # type: ignore[call-overload, no-any-return]
