"""The environment in which a device runs artifacts: there already, or built beside the one in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeguard._version import __version__
from edgeguard.artifact import file_facts
from edgeguard.fleet.deploy_store import Content, Place, Sent
from edgeguard.fleet.remote_call import call
from edgeguard.fleet.reporter import Reporter
from edgeguard.fleet.transport import Transport
from edgeguard.fleet.wheels import DevicePython, Wheels

__all__ = ["Environment", "WheelSource", "provide_environment"]

WheelSource = Callable[[DevicePython, Reporter], Wheels]

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


def provide_environment(transport: Transport, directory: str, wheels: WheelSource, reporter: Reporter) -> Environment:
    """See that the device has the environment that edgeguard's wheels make; the one in use is not touched.

    :param directory: edgeguard's there.
    :param wheels: gives the wheels for its Python.
    :raises DeviceError: there are no wheels for such a device, or the environment cannot be built there.
    :raises UsageError: the wheels cannot be fetched.
    """

    def ask(request: dict[str, Any], timeout: float) -> dict[str, Any]:
        return call(transport, "environment", {**request, "directory": directory}, timeout=timeout, on_line=said)

    def said(line: str) -> None:
        reporter.step(f"  {line}")

    device = DevicePython.from_facts(ask({"op": "facts"}, _ASK_S))
    device.require_wheels(transport.name)
    found = wheels(device, reporter)
    digest = found.digest
    status = ask({"op": "status", "wheels": digest}, _ASK_S)
    users = tuple(status["users"])
    if status["usable"]:
        return Environment(status["identifier"], False, Sent(0, 0, 0), users)
    facts = {path.name: file_facts(path) for path in found.files}
    place = Place(transport, directory, "wheels")
    reporter.step("sending the wheels that are missing there")
    before = place.status()
    sent = place.bring(Content(digest[:16], {path.name: path for path in found.files}, facts))
    reporter.step("building the environment")
    request = {
        "op": "build",
        "wheels": digest,
        "wheels_path": f"wheels/versions/{digest[:16]}",
        "requirements": [f"edgeguard=={__version__}"],
        "index": not found.complete,
    }
    built = ask(request, _BUILD_S)
    place.switch(digest[:16], before.current)
    place.prune()
    return Environment(built["identifier"], built["built"], sent, users)
