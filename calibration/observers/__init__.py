"""Observers: from what a tensor was seen to hold to the range that int8 should cover."""

from edgeguard.calibration.observers.base import Observer, Range, TensorStats
from edgeguard.calibration.observers.registry import DEFAULT_OBSERVER, OBSERVERS, find_observer, observer_parameters

__all__ = ["DEFAULT_OBSERVER", "OBSERVERS", "Observer", "Range", "TensorStats", "find_observer", "observer_parameters"]
