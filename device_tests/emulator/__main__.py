"""``python -m device_tests.emulator``: build, start and stop the emulated device."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from device_tests.emulator import service
from device_tests.emulator.image import build
from device_tests.emulator.qemu import CORES, DEFAULT
from device_tests.emulator.tools import Unavailable, install, missing_tools
from edgeguard.errors import EdgeguardError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: that of edgeguard's errors."""
    parser = argparse.ArgumentParser(prog="python -m device_tests.emulator", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    core = argparse.ArgumentParser(add_help=False)
    core.add_argument("--core", choices=CORES, help=f"start: {DEFAULT.core} unless told; stop and status: all")
    verbs.add_parser("tools", help="install what the device needs (as root), or say what that is")
    verbs.add_parser("build", help="build the image, unless it is there")
    verbs.add_parser("start", help="build, and start a device that stays", parents=[core])
    verbs.add_parser("stop", help="stop it and drop its disk", parents=[core])
    verbs.add_parser("status", help="what is running", parents=[core])
    options = parser.parse_args(arguments)
    commands: dict[str, Callable[[str | None], None]] = {
        "tools": lambda _: _tools(),
        "build": lambda _: _build(),
        "start": _start,
        "stop": _stop,
        "status": _status,
    }
    try:
        commands[options.verb](getattr(options, "core", None))
    except EdgeguardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _tools() -> None:
    installed = install()
    if installed:
        _say(f"installed: {', '.join(installed)}")
    reason = missing_tools()
    if reason is not None:
        raise Unavailable(reason)


def _build() -> None:
    _tools()
    _say(str(build(say=_say).directory))


def _start(core: str | None) -> None:
    _tools()
    _describe(service.launch(core or DEFAULT.core, say=_say))


def _stop(core: str | None) -> None:
    stopped = service.halt(core)
    _say(f"stopped: {', '.join(state.core for state in stopped)}" if stopped else "nothing was running")


def _status(core: str | None) -> None:
    states = [state for state in service.running_machines() if core in (None, state.core)]
    for state in states:
        _describe(state)
    if not states:
        _say("nothing is running")


def _describe(state: service.Running) -> None:
    config = Path(state.ssh_config)
    shown = config.relative_to(Path.cwd()) if config.is_relative_to(Path.cwd()) else config
    _say(f"{state.core} with {state.memory_mib} MiB is up: process {state.pid}, port {state.port} on 127.0.0.1")
    _say(f"reach it with: ssh -F {shown} {state.connection.alias}")
    print(config.read_text(), end="")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
