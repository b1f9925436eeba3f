"""All lines about a device, and whether anything stands in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeguard.errors import DeviceError
from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line
from edgeguard.fleet.doctor.registry import (
    ARTIFACT_CHECKS,
    BEFORE_DEPLOY,
    CHECKS,
    FIT_BEFORE_DEPLOY,
    ArtifactCheck,
    Check,
)
from edgeguard.manifest import Manifest

__all__ = ["Diagnosis", "diagnose", "diagnose_before_deploy"]

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the checks found.

    :param where: the device, for messages.
    """

    where: str
    lines: tuple[Line, ...]

    @property
    def problems(self) -> tuple[Line, ...]:
        """What stands in the way."""
        return tuple(line for line in self.lines if line.status == "problem")

    @property
    def warnings(self) -> tuple[Line, ...]:
        """What does not, or nobody knows."""
        return tuple(line for line in self.lines if line.status == "warning")

    def require(self) -> None:
        """Insist on a device without problems.

        :raises DeviceError: naming the first of them, and the remedy of the very first.
        """
        found = self.problems
        if not found:
            return
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        what = "; ".join(f"{line.name}: {line.detail}" for line in found[:_NAMED])
        raise DeviceError(f"{what}{more}", where=self.where, fix=found[0].remedy)


def diagnose(facts: Facts, where: str, manifest: Manifest | None = None) -> Diagnosis:
    """All checks of a device, and those of an artifact on it if its manifest is given."""
    return _diagnosis(facts, where, manifest, CHECKS, ARTIFACT_CHECKS)


def diagnose_before_deploy(facts: Facts, where: str, manifest: Manifest) -> Diagnosis:
    """The checks of what a deployment cannot change: a broken environment is no reason against making a new one."""
    return _diagnosis(facts, where, manifest, BEFORE_DEPLOY, FIT_BEFORE_DEPLOY)


def _diagnosis(
    facts: Facts,
    where: str,
    manifest: Manifest | None,
    checks: Sequence[Check],
    artifact_checks: Sequence[ArtifactCheck],
) -> Diagnosis:
    fits = () if manifest is None else tuple(check(facts, manifest) for check in artifact_checks)
    return Diagnosis(where, (*(check(facts) for check in checks), *fits))
