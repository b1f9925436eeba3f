"""All lines together."""

from __future__ import annotations

from typing import Any

import pytest

from edgeguard.errors import DeviceError
from edgeguard.fleet.doctor import Diagnosis, diagnose, diagnose_before_deploy
from edgeguard.fleet.doctor.line import ok, problem, warning
from edgeguard.fleet.doctor.registry import ARTIFACT_CHECKS, BEFORE_DEPLOY, CHECKS
from tests.fleet.doctor.devices import facts_of, imports, manifest_of

_BROKEN: dict[str, Any] = {
    "interpreter": {"imports": imports({"onnxruntime": {"status": "killed", "detail": "SIGILL"}})}
}


def test_all_checks_are_asked_and_those_of_an_artifact_if_there_is_one() -> None:
    assert len(diagnose(facts_of({}), "pi").lines) == len(CHECKS)
    assert len(diagnose(facts_of({}), "pi", manifest_of()).lines) == len(CHECKS) + len(ARTIFACT_CHECKS)


def test_a_broken_environment_is_no_reason_against_deploying_a_new_one() -> None:
    assert [line.name for line in diagnose(facts_of(_BROKEN), "pi").problems] == ["onnxruntime"]
    assert diagnose_before_deploy(facts_of(_BROKEN), "pi", manifest_of()).problems == ()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"python": {"bits": 32}}, "userland"),
        ({"python": {"version": [3, 9, 2]}}, "python"),
        ({"place": {"free": 0}}, "disk"),
        ({"place": {"read_only": True}}, "directory"),
        ({"place": {"inodes_free": 0}}, "inodes"),
    ],
)
def test_what_a_deployment_cannot_change_stops_it(changes: dict[str, Any], name: str) -> None:
    found = diagnose_before_deploy(facts_of(changes), "pi", manifest_of())
    assert name in [line.name for line in found.problems]
    with pytest.raises(DeviceError, match=name):
        found.require()


def test_a_clock_that_is_wrong_stops_no_deployment_to_a_device_without_a_network() -> None:
    assert diagnose(facts_of({"time": 0.0}), "pi").problems
    assert diagnose_before_deploy(facts_of({"time": 0.0}), "pi", manifest_of()).problems == ()
    assert len(BEFORE_DEPLOY) < len(CHECKS)


def test_the_error_names_the_first_problems_and_the_first_remedy() -> None:
    lines = [problem(name, f"{name} is bad", f"mend {name}") for name in ("a", "b", "c", "d", "e")]
    with pytest.raises(DeviceError) as caught:
        Diagnosis("pi@there", (ok("z", "fine"), warning("y", "so so", "look"), *lines)).require()
    assert str(caught.value) == "pi@there: a: a is bad; b: b is bad; c: c is bad; and 2 more. mend a"
    assert caught.value.exit_code == 6


def test_warnings_are_no_problems() -> None:
    found = Diagnosis("pi", (ok("a", "fine"), warning("b", "so so", "look")))
    found.require()
    assert ([line.name for line in found.warnings], found.problems) == (["b"], ())
