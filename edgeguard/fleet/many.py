"""The same for several devices: side by side, and first for those that may fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgeguard.errors import EdgeguardError
from edgeguard.fleet.inventory import Device

__all__ = ["Outcome", "canaries_first", "side_by_side"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of one device: a result, or an error, or neither, because it was not tried."""

    device: Device
    result: T | None = None
    error: EdgeguardError | None = None


def side_by_side(
    devices: Sequence[Device],
    action: Callable[[Device], T],
    *,
    parallel: int,
    told: Callable[[Outcome[T]], None],
) -> list[Outcome[T]]:
    """Do something on each device; where it fails, the others go on.

    :param parallel: at most so many at a time.
    :param told: called with each outcome as it comes, from several threads.
    """

    def attempt(device: Device) -> Outcome[T]:
        try:
            outcome = Outcome(device, action(device))
        except EdgeguardError as error:
            outcome = Outcome(device, error=error)
        told(outcome)
        return outcome

    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(attempt, devices))


def canaries_first(
    devices: Sequence[Device],
    action: Callable[[Device], T],
    *,
    parallel: int,
    told: Callable[[Outcome[T]], None],
) -> list[Outcome[T]]:
    """Like :func:`side_by_side`, for the canaries first, and for the others only if it went well with all of them.

    Without a canary, the first device is one.
    """
    canaries = [device for device in devices if device.canary] or list(devices[:1])
    outcomes = side_by_side(canaries, action, parallel=parallel, told=told)
    others = [device for device in devices if device not in canaries]
    if any(outcome.error is not None for outcome in outcomes):
        skipped: list[Outcome[T]] = [Outcome(device) for device in others]
        for each in skipped:
            told(each)
        return [*outcomes, *skipped]
    return [*outcomes, *side_by_side(others, action, parallel=parallel, told=told)]
