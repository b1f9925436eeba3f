"""Whose CPU time it was while a process measured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgeguard.bench import window
from edgeguard.bench.window import Watch


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's CPU time and stolen time, this process's own, and its time in the queue: before and after."""

    def readings(*values: object) -> Iterator[object]:
        return iter(values)

    machine = readings((100.0, 5.0), (103.5, 5.25))
    own, waited = readings(10.0, 12.0), readings(1.0, 1.125)
    frequency = readings(1_800_000, None)
    monkeypatch.setattr(window, "_machine_seconds", lambda: next(machine))
    monkeypatch.setattr(window, "_own_seconds", lambda: next(own))
    monkeypatch.setattr(window, "_waited_seconds", lambda: next(waited))
    monkeypatch.setattr(window, "highest_frequency", lambda _: next(frequency))


@pytest.mark.usefixtures("clocks")
def test_what_was_not_ours_was_others() -> None:
    found = Watch().stop()
    assert (found.others_seconds, found.steal_seconds, found.waited_seconds) == (1.5, 0.25, 0.125)
    assert found.frequency_khz == (1_800_000,)


def test_ticks_that_lag_behind_are_no_negative_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_machine_seconds", lambda: (100.0, 5.0))
    own = iter([1.0, 1.004])
    monkeypatch.setattr(window, "_own_seconds", lambda: next(own))
    assert Watch().stop().others_seconds == 0.0


def test_the_real_clocks_run() -> None:
    watch = Watch()
    total = sum(range(3_000_000))
    found = watch.stop()
    assert total > 0
    assert found.seconds > 0.01
    assert found.cpus >= 1
    assert found.waited_seconds is None or 0 <= found.waited_seconds <= found.seconds
