"""Bringing an artifact to a device, such that the device has a verified one at every moment.

What changes is written beside what is in use. It is verified on the device, by the edgeguard that will run it, before
two links are moved to it, and once more through them.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from edgeguard.artifact import Artifact
from edgeguard.errors import DeviceError
from edgeguard.fleet.deploy_environment import Environment, WheelSource, provide_environment
from edgeguard.fleet.deploy_store import Place, Sent, Status, artifact_content, artifact_name
from edgeguard.fleet.deploy_verify import complaint
from edgeguard.fleet.doctor import ask_before_deploy, diagnose_before_deploy
from edgeguard.fleet.reporter import Reporter
from edgeguard.fleet.transport import Transport

__all__ = ["Deployment", "deploy", "roll_back"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was done to a device.

    :param artifact: its name there.
    :param version: the one that is current now, and verified.
    :param previous: what :func:`roll_back` would go back to.
    :param changed: whether another one was current before.
    :param environment: identifier of the one that runs it.
    :param warnings: what the doctor said about the device.
    """

    device: str
    artifact: str
    version: str
    previous: str | None
    changed: bool
    environment: str
    environment_built: bool
    files_sent: int
    bytes_sent: int
    files_reused: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    """The places of a deployment on its device."""

    transport: Transport
    environments: Place
    artifact: Place

    @classmethod
    def at(cls, transport: Transport, directory: str, name: str) -> _Target:
        environments = Place(transport, directory, "env")
        return cls(transport, environments, Place(transport, directory, f"artifacts/{name}"))

    def complaint(self, environment: str, version: str) -> str | None:
        where = (self.environments.version_path(environment), self.artifact.version_path(version))
        return complaint(self.transport, *where)

    def complaint_of_current(self) -> str | None:
        return complaint(self.transport, self.environments.current_path, self.artifact.current_path)

    def error(self, what: str, fix: str | None) -> DeviceError:
        return DeviceError(what, where=self.transport.name, fix=fix)


def deploy(
    transport: Transport, artifact: Artifact, *, directory: str, wheels: WheelSource, reporter: Reporter
) -> Deployment:
    """Install an artifact on a device and let it be the current one there.

    :param directory: edgeguard's on the device.
    :param wheels: gives the wheels of edgeguard's device part.
    :raises DeviceError: the device is unfit, full or cannot be reached, or the artifact does not verify there. What was
        current before still is, or is again.
    :raises UsageError: the artifact's name is none for a device, or the wheels cannot be fetched.
    """
    name = artifact_name(artifact.path)
    content = artifact_content(artifact)
    target = _Target.at(transport, directory, name)
    reporter.step("examining the device")
    diagnosis = diagnose_before_deploy(ask_before_deploy(transport, directory), transport.name, artifact.manifest)
    warnings = tuple(f"{line.name}: {line.detail}. {line.remedy}" for line in diagnosis.warnings)
    for text in warnings:
        reporter.warn(text)
    diagnosis.require()
    environment = provide_environment(transport, directory, wheels, reporter, {artifact.manifest.model.format})
    before = target.artifact.status()
    reporter.step(f"sending what is missing of {name} {content.version}")
    sent = target.artifact.bring(content)
    reporter.step("verifying it there")
    _verify_version(target, environment.identifier, content.version, before)
    environments = target.environments.status()
    if environments.current != environment.identifier:
        _verify_users(target, environment, name, directory)
    if (environments.current, before.current) != (environment.identifier, content.version):
        reporter.step("switching to it, and verifying again")
        _switch(target, environment.identifier, content.version, environments, before)
    for place in (target.artifact, target.environments):
        place.prune()
    after = target.artifact.status()
    return _deployment(transport.name, name, after, before, environment, sent, warnings)


def roll_back(transport: Transport, name: str, *, directory: str, reporter: Reporter) -> Deployment:
    """Let the previous version of an artifact be the current one again, in the environment that is in use.

    :raises DeviceError: there is none, or it does not verify; then nothing was changed.
    """
    target = _Target.at(transport, directory, name)
    before, environments = target.artifact.status(), target.environments.status()
    if before.previous is None:
        raise target.error(f"it has no previous version of {name}", "Deploy the one that you want")
    if environments.current is None:
        raise target.error("it has no environment to run artifacts in", "Deploy instead")
    reporter.step(f"verifying {name} {before.previous} there")
    _verify_version(target, environments.current, before.previous, before)
    reporter.step("switching back to it, and verifying again")
    _switch(target, environments.current, before.previous, environments, before)
    nothing = Sent(0, 0, 0)
    same = Environment(environments.current, False, nothing, ())
    return _deployment(transport.name, name, target.artifact.status(), before, same, nothing, ())


def _verify_version(target: _Target, environment: str, version: str, before: Status) -> None:
    wrong = target.complaint(environment, version)
    if wrong is None:
        return
    if before.current == version:
        raise target.error(f"{version}, which is current, does not verify there: {wrong}", "Deploy another one")
    # It would only take room.
    with contextlib.suppress(DeviceError):
        target.artifact.prune()
    stays = "nothing is deployed" if before.current is None else f"{before.current} stays current"
    raise target.error(f"{stays}, because {version} does not verify there: {wrong}", None)


def _verify_users(target: _Target, environment: Environment, name: str, directory: str) -> None:
    """What is in use must go on working in the environment that replaces the old one."""
    for user in environment.users:
        place = Place(target.transport, directory, f"artifacts/{user}")
        path = target.environments.version_path(environment.identifier)
        wrong = complaint(target.transport, path, place.current_path)
        # A broken one that is about to be replaced is no reason not to.
        if wrong is not None and user != name:
            raise target.error(
                f"{user}, which is in use there, would not verify in the new environment: {wrong}. Nothing was changed",
                f"Deploy {user} anew, or remove it there",
            )


def _switch(target: _Target, environment: str, version: str, environments: Status, before: Status) -> None:
    """Move both links, verify through them, and move them back if that fails."""
    try:
        target.environments.switch(environment, environments.current)
        target.artifact.switch(version, before.current)
        wrong = target.complaint_of_current()
    except DeviceError as error:
        wrong = error.what
    if wrong is None:
        return
    try:
        # What was current before was verified in the new environment, too.
        target.artifact.restore(version, before)
        target.environments.restore(environment, environments)
    except DeviceError as error:
        raise target.error(
            f"while {version}, which had been verified there, was becoming current: {wrong}; and then: {error.what}",
            "Deploy again to find out which one is current",
        ) from None
    back = "nothing is deployed" if before.current is None else f"rolled back to {before.current}"
    raise target.error(f"{back}, because {version} does not verify as the current one: {wrong}", None)


def _deployment(
    device: str,
    name: str,
    after: Status,
    before: Status,
    environment: Environment,
    sent: Sent,
    warnings: tuple[str, ...],
) -> Deployment:
    assert after.current is not None
    return Deployment(
        device=device,
        artifact=name,
        version=after.current,
        previous=after.previous,
        changed=after.current != before.current,
        environment=environment.identifier,
        environment_built=environment.built,
        files_sent=sent.files + environment.sent.files,
        bytes_sent=sent.bytes + environment.sent.bytes,
        files_reused=sent.reused + environment.sent.reused,
        warnings=warnings,
    )
