"""Several devices: side by side, the canaries first."""

from __future__ import annotations

import threading

import pytest

from edgeguard.errors import DeviceError
from edgeguard.fleet.address import Address
from edgeguard.fleet.inventory import Device
from edgeguard.fleet.many import Outcome, canaries_first, side_by_side


def device(name: str, canary: bool = False) -> Device:
    return Device(name, Address(None, name, None), "edgeguard", canary)


class Action:
    """Fails on some devices, and remembers the order."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.order: list[str] = []

    def __call__(self, device: Device) -> str:
        self.order.append(device.name)
        if device.name in self.failing:
            raise DeviceError("it is full", where=device.name)
        return device.name.upper()


def told(_: Outcome[str]) -> None:
    pass


def test_a_failure_does_not_stop_the_others() -> None:
    heard: list[str] = []
    outcomes = side_by_side(
        [device(name) for name in "abc"],
        Action("b"),
        parallel=2,
        told=lambda outcome: heard.append(outcome.device.name),
    )
    assert [outcome.result for outcome in outcomes] == ["A", None, "C"]
    assert isinstance(outcomes[1].error, DeviceError)
    assert sorted(heard) == ["a", "b", "c"]


@pytest.mark.timeout(60)
def test_so_many_at_a_time_and_no_more() -> None:
    meeting, running, most = threading.Barrier(3), [0], [0]
    lock = threading.Lock()

    def meet(_: Device) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        meeting.wait(30)
        with lock:
            running[0] -= 1

    side_by_side([device(str(number)) for number in range(6)], meet, parallel=3, told=lambda _: None)
    assert most == [3]


def test_the_canaries_go_first() -> None:
    action = Action()
    devices = [device("a"), device("b", canary=True), device("c"), device("d", canary=True)]
    outcomes = canaries_first(devices, action, parallel=1, told=told)
    assert action.order == ["b", "d", "a", "c"]
    assert {outcome.result for outcome in outcomes} == {"A", "B", "C", "D"}


def test_without_a_canary_the_first_is_one() -> None:
    action = Action("a")
    outcomes = canaries_first([device(name) for name in "abc"], action, parallel=4, told=told)
    assert action.order == ["a"]
    assert [(outcome.result, outcome.error is None) for outcome in outcomes[1:]] == [(None, True), (None, True)]


def test_a_canary_that_fails_stops_the_rest_but_not_the_other_canaries() -> None:
    action, heard = Action("b"), list[Outcome[str]]()
    devices = [device("a"), device("b", canary=True), device("c", canary=True)]
    outcomes = canaries_first(devices, action, parallel=1, told=heard.append)
    assert action.order == ["b", "c"]
    assert [outcome.device.name for outcome in outcomes] == ["b", "c", "a"]
    assert heard == outcomes


def test_other_devices_that_fail_stop_nobody() -> None:
    action = Action("b", "c")
    canaries_first([device(name) for name in "abcd"], action, parallel=1, told=told)
    assert action.order == ["a", "b", "c", "d"]
