"""Each check, on devices on which it says each of the things it can say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgeguard.fleet.doctor import engines, fit
from edgeguard.fleet.doctor.line import Line, Status
from edgeguard.fleet.doctor.registry import ARTIFACT_CHECKS, BEFORE_DEPLOY, CHECKS
from tests.fleet.doctor.case import Case
from tests.fleet.doctor.cases_hardware import HARDWARE
from tests.fleet.doctor.cases_software import SOFTWARE
from tests.fleet.doctor.devices import PYTHON, facts_of, imports
from tests.fleet.doctor.fits import FITS

CASES = (*SOFTWARE, *HARDWARE)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_device(case: Case) -> None:
    line = case.check(facts_of(case.changes, case.asked))
    assert line.status == case.status, line
    for word in case.words:
        assert word in f"{line.detail} {line.remedy}"


def _statuses(check: Callable[..., Line]) -> set[str]:
    """Which statuses the source of a check names."""
    names = set(check.__code__.co_names)
    if "_needed" in names:
        names |= set(engines._needed.__code__.co_names)
    return names & {"ok", "warning", "problem"}


@pytest.mark.parametrize("check", [*CHECKS, *ARTIFACT_CHECKS], ids=lambda check: check.__name__)
def test_every_status_that_a_check_can_give_has_a_case(check: Callable[..., Line]) -> None:
    told: set[str] = {case.status for case in (*CASES, *FITS) if case.check == check}
    assert _statuses(check) == told


def test_a_check_that_no_case_covers_would_be_noticed() -> None:
    def uncovered() -> None:
        fit.problem("name", "detail", "remedy")

    # What is looked for is the name as such, not the module it is reached through.
    assert _statuses(uncovered) == {"problem"}  # type: ignore[arg-type]


def test_a_healthy_pi_has_nothing_but_ok() -> None:
    assert [line for line in (check(facts_of({})) for check in CHECKS) if line.status != "ok"] == []


def test_checks_have_names_of_their_own() -> None:
    names = [check(facts_of({})).name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert set(BEFORE_DEPLOY) < set(CHECKS)


@pytest.mark.parametrize(("status", "remedy"), [("ok", "Do it"), ("warning", None), ("problem", None)])
def test_a_line_that_is_not_ok_has_a_remedy_and_no_other(status: Status, remedy: str | None) -> None:
    with pytest.raises(ValueError, match="remedy"):
        Line("disk", status, "full", remedy)


def test_an_environment_without_pip_gets_one_first() -> None:
    killed = imports({"onnxruntime": {"status": "killed", "version": None, "detail": "SIGILL"}})
    without: dict[str, Any] = {"interpreter": {"imports": killed}}
    remedy = str(engines.onnxruntime(facts_of(without)).remedy)
    assert remedy.startswith(f"{PYTHON} -m ensurepip && {PYTHON} -m pip install ")
    remedy = str(engines.onnxruntime(facts_of({**without, "python": {"ensurepip": False}})).remedy)
    assert remedy.startswith("sudo apt install python3-venv && ")
    remedy = str(
        engines.onnxruntime(facts_of({"interpreter": {"imports": killed, "packages": {"pip": "25.0"}}})).remedy
    )
    assert remedy.startswith(f"{PYTHON} -m pip install ")


def test_paths_in_remedies_can_be_pasted_into_a_shell() -> None:
    path = "/home/pi/my things/bin/python"
    broken = imports({"numpy": {"status": "failed", "version": None, "detail": "ImportError: no"}})
    named = {"path": path, "origin": "named", "imports": broken, "packages": {"pip": "25.0"}}
    assert str(engines.numpy(facts_of({"interpreter": named})).remedy).startswith(f"'{path}' -m pip install")
    deployed = {"path": path, "imports": broken}
    assert "rm '/home/pi/my things/.complete'" in str(engines.numpy(facts_of({"interpreter": deployed})).remedy)
