"""``edgeguard doctor``: is a device fit for edgeguard, and what helps if not?"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import print_json, printable
from edgeguard.cli.devices import connect, directory_option, ssh_config_option
from edgeguard.cli.options import json_option

if TYPE_CHECKING:
    from edgeguard.fleet.doctor import Diagnosis
    from edgeguard.manifest import Manifest

__all__ = ["doctor"]

_path: Any = click.Path(path_type=Path)
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.argument("host", metavar="[[USER@]HOST[:PORT]]", required=False)
@click.option("--artifact", type=_path, help="Ask whether this artifact fits the device, too.")
@directory_option
@ssh_config_option
@json_option
def doctor(host: str | None, artifact: Path | None, directory: str, ssh_config: Path | None, as_json: bool) -> None:
    """Say what is wrong with a device, or with this machine if none is named, and what to do about it.

    Nothing is changed there. Each line is OK, a warning (it works, or nobody knows) or a problem; with a problem the
    exit code is 6.
    """
    manifest = None if artifact is None else _manifest(artifact)
    found = _here(directory, manifest) if host is None else _there(host, ssh_config, directory, manifest)
    if as_json:
        lines = [asdict(line) for line in found.lines]
        print_json({"device": found.where, "passed": not found.problems, "lines": lines})
    else:
        _print(found)
    found.require()


def _manifest(artifact: Path) -> Manifest:
    from edgeguard.artifact import open_artifact

    return open_artifact(artifact).manifest


def _here(directory: str, manifest: Manifest | None) -> Diagnosis:
    from edgeguard.fleet.doctor import ask_here, diagnose
    from edgeguard.fleet.local import Local

    local = Local(Path.home())
    return diagnose(ask_here(local, directory, sys.executable), local.name, manifest)


def _there(host: str, config: Path | None, directory: str, manifest: Manifest | None) -> Diagnosis:
    from edgeguard.fleet.doctor import ask_device, diagnose

    with connect(host, config) as device:
        return diagnose(ask_device(device, directory), device.name, manifest)


def _print(found: Diagnosis) -> None:
    width = max(len(line.name) for line in found.lines)
    for line in found.lines:
        status = click.style(f"{'OK' if line.status == 'ok' else line.status:7}", fg=_COLOURS[line.status])
        click.echo(f"{status}  {line.name:{width}}  {printable(line.detail)}")
        if line.remedy is not None:
            click.echo(f"{'':{9 + width}}  -> {printable(line.remedy)}")
    count = {"problem": len(found.problems), "warning": len(found.warnings)}
    told = [f"{number} {name}{'s' if number > 1 else ''}" for name, number in count.items() if number]
    click.echo(f"{found.where}: {', '.join(told) or 'all is well'}")
