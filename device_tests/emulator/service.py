"""The devices that ``make device`` starts: one per core, outliving the command, found by their state files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from device_tests.emulator.connection import Connection, write_ssh_config
from device_tests.emulator.image import DIRECTORY, build, locked
from device_tests.emulator.machine import prepare
from device_tests.emulator.qemu import CORES, DEFAULT, LASTING, Hardware, boot
from edgeguard.errors import DeviceError

__all__ = ["Running", "halt", "launch", "running_machine", "running_machines"]

_STATE = "state.json"
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A device that was up when its state was read.

    :param started: of the process, in clock ticks since the host's boot: tells it from a later one with its number.
    :param image: the digest of the recipe that it was built from.
    """

    core: str
    memory_mib: int
    icount: bool
    image: str
    pid: int
    started: int
    port: int
    ssh_config: str

    @property
    def connection(self) -> Connection:
        """How it is reached."""
        return Connection(Path(self.ssh_config), self.port)


def launch(core: str = DEFAULT.core, directory: Path = DIRECTORY, say: Callable[[str], None] = print) -> Running:
    """Build the image if need be and start a device that stays; one of the same recipe that runs already is returned.

    :raises UsageError: there is no such core.
    :raises DeviceError: see :func:`~device_tests.emulator.image.build` and :func:`~device_tests.emulator.qemu.boot`.
    """
    hardware = Hardware(core)
    image = build(directory, say)
    place = directory / "run" / core
    place.parent.mkdir(exist_ok=True)
    with locked(directory / f"{core}.lock"):
        present = _read(place)
        if present is not None and present.image == image.directory.name:
            return present
        if present is not None:
            say(f"the {core} that runs is of an older recipe: starting anew")
            _end(present)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        prepare(image, place)
        process, port = boot(place, hardware, LASTING)
        connection = write_ssh_config(place, port)
        state = Running(
            **asdict(hardware),
            image=image.directory.name,
            pid=process.pid,
            started=_started(process.pid) or 0,
            port=port,
            ssh_config=str(connection.ssh_config),
        )
        (place / "state.tmp").write_text(json.dumps(asdict(state), indent=2) + "\n")
        (place / "state.tmp").rename(place / _STATE)
        return state


def running_machines(directory: Path = DIRECTORY) -> list[Running]:
    """The devices that are up, in the order of :data:`~device_tests.emulator.qemu.CORES`."""
    found = (_read(directory / "run" / core) for core in CORES)
    return [state for state in found if state is not None]


def running_machine(core: str | None = None, directory: Path = DIRECTORY) -> Running | None:
    """The device of this core (None: of any) that ``make device`` has started, None if there is none."""
    fitting = (state for state in running_machines(directory) if core in (None, state.core))
    return next(fitting, None)


def halt(core: str | None = None, directory: Path = DIRECTORY) -> list[Running]:
    """Stop the device of this core (None: all), remove its disk, and return what was running."""
    stopped = [state for state in running_machines(directory) if core in (None, state.core)]
    for state in stopped:
        _end(state)
        shutil.rmtree(Path(state.ssh_config).parent, ignore_errors=True)
    return stopped


def _read(place: Path) -> Running | None:
    try:
        state = Running(**json.loads((place / _STATE).read_text()))
    except (OSError, ValueError, TypeError):
        # None there, or written by another version of this file.
        return None
    return state if _alive(state) else None


def _alive(state: Running) -> bool:
    return _started(state.pid) == state.started


def _started(pid: int) -> int | None:
    """When the process started, in clock ticks since the host's boot; None if there is none, or only its zombie."""
    try:
        # The command's name, in parentheses, may hold anything: count from behind it. proc(5): field 3 and field 22.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _end(state: Running) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while _alive(state):
        if time.monotonic() > deadline:
            raise DeviceError(f"process {state.pid} does not end", where=state.core, fix="Kill it")
        os.kill(state.pid, signal.SIGTERM)
        time.sleep(0.05)
