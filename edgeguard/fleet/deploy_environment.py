"""The environment in which a device runs artifacts: there already, or built beside the one in use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from edgeguard.artifact import file_facts
from edgeguard.fleet.deploy_store import Content, Place, Sent
from edgeguard.fleet.device_part import extras_for, requirements
from edgeguard.fleet.remote_call import call
from edgeguard.fleet.reporter import Reporter
from edgeguard.fleet.transport import Transport
from edgeguard.fleet.wheels import DevicePython, Wheels, fetch_wheels

__all__ = ["Environment", "WheelSource", "fetched_once", "given", "provide_environment"]

# For a device's Python, with these extras of edgeguard.
WheelSource = Callable[[DevicePython, tuple[str, ...], Reporter], Wheels]

_ASK_S = 120.0
_BUILD_S = 3600.0


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that is on the device, perhaps not the current one.

    :param built: whether that was done now.
    :param sent: what of the wheels.
    :param users: artifacts that are in use on the device.
    """

    identifier: str
    built: bool
    sent: Sent
    users: tuple[str, ...]


def fetched_once(*, dependencies: bool) -> WheelSource:
    """Wheels from the package index of this machine, once for all devices that are alike; several may ask at once.

    :param dependencies: otherwise the device's own index is to give them.
    """
    lock = threading.Lock()
    found: dict[tuple[DevicePython, tuple[str, ...]], Wheels] = {}

    def fetch(device: DevicePython, extras: tuple[str, ...], reporter: Reporter) -> Wheels:
        key = device, extras
        with lock:
            if key not in found:
                found[key] = fetch_wheels(device, dependencies=dependencies, reporter=reporter, extras=extras)
            return found[key]

    return fetch


def given(wheels: Wheels) -> WheelSource:
    """These wheels, for every device."""
    return lambda _device, extras, _reporter: replace(wheels, extras=extras)


def provide_environment(
    transport: Transport, directory: str, wheels: WheelSource, reporter: Reporter, formats: Collection[str]
) -> Environment:
    """See that the device has the environment that edgeguard's wheels make; the one in use is not touched.

    :param formats: of models that it must run, beside those that are in use there.
    :param directory: edgeguard's there.
    :param wheels: gives the wheels for its Python.
    :raises DeviceError: there are no wheels for such a device, or the environment cannot be built there.
    :raises UsageError: the wheels cannot be fetched.
    """

    def ask(request: dict[str, Any], timeout: float) -> dict[str, Any]:
        return call(transport, "environment", {**request, "directory": directory}, timeout=timeout, on_line=said)

    def said(line: str) -> None:
        reporter.step(f"  {line}")

    facts = ask({"op": "facts"}, _ASK_S)
    device = DevicePython.from_facts(facts)
    device.require_wheels(transport.name)
    found = wheels(device, extras_for({*formats, *map(str, facts["formats"])}), reporter)
    digest = found.digest
    status = ask({"op": "status", "wheels": digest}, _ASK_S)
    users = tuple(status["users"])
    if status["usable"]:
        return Environment(status["identifier"], False, Sent(0, 0, 0), users)
    digests = {path.name: file_facts(path) for path in found.files}
    place = Place(transport, directory, "wheels")
    reporter.step("sending the wheels that are missing there")
    before = place.status()
    sent = place.bring(Content(digest[:16], {path.name: path for path in found.files}, digests))
    reporter.step("building the environment")
    request = {
        "op": "build",
        "wheels": digest,
        "wheels_path": f"wheels/versions/{digest[:16]}",
        "requirements": requirements(found.extras),
        "index": not found.complete,
    }
    built = ask(request, _BUILD_S)
    place.switch(digest[:16], before.current)
    place.prune()
    return Environment(built["identifier"], built["built"], sent, users)
