"""``edgeguard deploy``: an artifact to a device, or to a fleet of them, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import Console, print_json, printable
from edgeguard.cli.devices import connect, directory_option, ssh_config_option
from edgeguard.cli.options import artifact_argument, json_option
from edgeguard.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from edgeguard.fleet.deploy import Deployment
    from edgeguard.fleet.deploy_environment import WheelSource
    from edgeguard.fleet.inventory import Device
    from edgeguard.fleet.many import Outcome
    from edgeguard.fleet.reporter import Reporter
    from edgeguard.fleet.transport import Transport

    Action = Callable[[Transport, str, Reporter], Deployment]

__all__ = ["deploy"]

_path: Any = click.Path(path_type=Path)


@click.command()
@artifact_argument
@click.argument("host", metavar="[[USER@]HOST[:PORT]]", required=False)
@click.option("--fleet", type=_path, help="Deploy to all devices of this fleet.toml instead, canaries first.")
@click.option("--parallel", type=click.IntRange(min=1), default=4, show_default=True, help="Devices at a time.")
@click.option("--rollback", is_flag=True, help="Go back to the previous version on the device.")
@click.option("--wheels", type=_path, help="A directory of wheels for the device, instead of fetching them.")
@click.option("--from-index", is_flag=True, help="Let the device fetch what edgeguard needs from its own index.")
@click.option("--ansible-inventory", is_flag=True, help="Only print the fleet as an inventory for Ansible.")
@ssh_config_option
@directory_option
@json_option
def deploy(
    artifact: Path,
    host: str | None,
    fleet: Path | None,
    parallel: int,
    rollback: bool,
    wheels: Path | None,
    from_index: bool,
    ansible_inventory: bool,
    ssh_config: Path | None,
    directory: str,
    as_json: bool,
) -> None:
    """Install ARTIFACT on a device, verify it there, and let it be the current one.

    Only what changed is sent. The version before stays on the device, and in use until the new one has given its golden
    answers there; if that fails, nothing changes. The lab stays here.

    Exit code 6 if a device cannot be reached, is full or unfit, or the artifact does not verify there.
    """
    if (host is None) == (fleet is None):
        raise UsageError("name a device or a fleet", fix="edgeguard deploy ARTIFACT pi@raspberrypi.local")
    if wheels is not None and from_index:
        raise UsageError("--wheels and --from-index contradict each other")
    if ansible_inventory:
        _print_inventory(fleet, ssh_config, directory)
        return
    action = _rolling_back(artifact) if rollback else _deploying(artifact, wheels, from_index)
    if fleet is not None:
        _to_fleet(fleet, ssh_config, directory, parallel, action, as_json)
        return
    assert host is not None
    with Console() as console, connect(host, ssh_config) as device:
        done = action(device, directory, console)
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(printable(f"{done.device}: {_sentence(done)}"))


def _deploying(path: Path, directory: Path | None, from_index: bool) -> Action:
    from edgeguard.artifact import open_artifact
    from edgeguard.fleet.deploy import deploy as install

    artifact, source = open_artifact(path.absolute()), _wheel_source(directory, from_index)

    def action(transport: Transport, directory: str, reporter: Reporter) -> Deployment:
        return install(transport, artifact, directory=directory, wheels=source, reporter=reporter)

    return action


def _rolling_back(path: Path) -> Action:
    from edgeguard.fleet.deploy import roll_back
    from edgeguard.fleet.deploy_store import artifact_name

    name = artifact_name(path)

    def action(transport: Transport, directory: str, reporter: Reporter) -> Deployment:
        return roll_back(transport, name, directory=directory, reporter=reporter)

    return action


def _wheel_source(directory: Path | None, from_index: bool) -> WheelSource:
    from edgeguard.fleet.deploy_environment import fetched_once, given
    from edgeguard.fleet.wheels import wheels_in

    return fetched_once(dependencies=not from_index) if directory is None else given(wheels_in(directory))


def _print_inventory(fleet: Path | None, ssh_config: Path | None, directory: str) -> None:
    from edgeguard.fleet.inventory import ansible_inventory, read_fleet

    if fleet is None:
        raise UsageError("an inventory is made from a fleet", fix="Name it with --fleet fleet.toml")
    print_json(ansible_inventory(read_fleet(fleet, directory), ssh_config))


class _Quiet:
    """Tells of one device among many only what its owner must know."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name

    def step(self, text: str) -> None:
        """Nothing: the steps of several devices would be jumbled."""

    def warn(self, text: str) -> None:
        self._console.warn(f"{self._name}: {text}")


def _to_fleet(
    path: Path, ssh_config: Path | None, directory: str, parallel: int, action: Action, as_json: bool
) -> None:
    from edgeguard.fleet.inventory import read_fleet
    from edgeguard.fleet.many import canaries_first
    from edgeguard.fleet.ssh import UNATTENDED, Ssh

    devices = read_fleet(path, directory)
    with Console() as console:

        def on(device: Device) -> Deployment:
            with Ssh(device.address, ssh_config, UNATTENDED) as transport:
                return action(transport, device.directory, _Quiet(console, device.name))

        def told(outcome: Outcome[Deployment]) -> None:
            if not as_json:
                click.echo(printable(_line(outcome)))

        outcomes = canaries_first(devices, on, parallel=parallel, told=told)
    if as_json:
        print_json({"devices": [_record(outcome) for outcome in outcomes]})
    missing = [outcome.device.name for outcome in outcomes if outcome.result is None]
    if missing:
        raise DeviceError(f"{len(missing)} of {len(outcomes)} devices failed or were not tried: {', '.join(missing)}")
    if not as_json:
        click.echo(f"{len(outcomes)} devices, all well")


def _line(outcome: Outcome[Deployment]) -> str:
    if outcome.result is not None:
        return f"ok       {outcome.device.name}: {_sentence(outcome.result)}"
    if outcome.error is not None:
        return f"FAILED   {outcome.device.name}: {outcome.error}"
    return f"skipped  {outcome.device.name}: a canary failed"


def _record(outcome: Outcome[Deployment]) -> dict[str, Any]:
    error, result = outcome.error, outcome.result
    return {
        "name": outcome.device.name,
        "host": str(outcome.device.address),
        "result": None if result is None else asdict(result),
        "error": None if error is None else {"message": str(error), "exit_code": error.exit_code},
    }


def _sentence(done: Deployment) -> str:
    previous = "none before it" if done.previous is None else f"{done.previous} before it"
    state = "is current now, and verified" if done.changed else "was current already, and verifies"
    sent = f"; {done.bytes_sent / 1e6:.1f} MB sent, {done.files_reused} files were there" if done.files_sent else ""
    return f"{done.artifact} {done.version} {state} ({previous}){sent}"
