"""``edgeguard bench --fleet``: the same measurement on every device of a fleet, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.bench import check_output, default_output
from edgeguard.cli.console import Console, print_json, printable
from edgeguard.errors import DeviceError, InvalidMeasurement

if TYPE_CHECKING:
    from edgeguard.bench.result import Result
    from edgeguard.bench.settings import Settings
    from edgeguard.fleet.inventory import Device
    from edgeguard.fleet.many import Outcome

__all__ = ["bench_fleet"]


def bench_fleet(
    artifact: Path, settings: Settings, fleet: Path, ssh_config: Path | None, directory: str, force: bool, as_json: bool
) -> None:
    """Measure on all devices at once: they do not disturb each other. Each has a result of its own beside the artifact.

    :raises DeviceError: a device failed; the others' results are written.
    :raises InvalidMeasurement: a result is no good.
    """
    from edgeguard.bench.result import write_result
    from edgeguard.cli.bench_report import print_report
    from edgeguard.fleet.bench import bench_device
    from edgeguard.fleet.inventory import read_fleet
    from edgeguard.fleet.many import side_by_side
    from edgeguard.fleet.ssh import UNATTENDED, Ssh
    from edgeguard.staging import write_file

    devices = read_fleet(fleet, directory)
    outputs = {device.name: default_output(artifact, device.name) for device in devices}
    for output in outputs.values():
        check_output(output, force)
    with Console() as console:

        def on(device: Device) -> Result:
            with Ssh(device.address, ssh_config, UNATTENDED) as transport:
                result = bench_device(transport, artifact, settings, directory=device.directory, on_line=lambda _: None)
            write_file(outputs[device.name], write_result(result))
            return result

        def told(outcome: Outcome[Result]) -> None:
            said = f"FAILED  {outcome.error}" if outcome.result is None else f"verdict {outcome.result.verdict.status}"
            console.step(f"{outcome.device.name}: {said}")

        outcomes = side_by_side(devices, on, parallel=len(devices), told=told)
    if as_json:
        print_json({"devices": [_record(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            if outcome.result is not None:
                click.echo(printable(f"\n{outcome.device.name}: {outputs[outcome.device.name]}"))
                print_report(outcome.result)
    _refuse(outcomes)


def _record(outcome: Outcome[Result]) -> dict[str, Any]:
    from edgeguard.bench.result import write_result

    error, result = outcome.error, outcome.result
    return {
        "name": outcome.device.name,
        "result": None if result is None else json.loads(write_result(result)),
        "error": None if error is None else {"message": str(error), "exit_code": error.exit_code},
    }


def _refuse(outcomes: list[Outcome[Result]]) -> None:
    failed = [outcome.device.name for outcome in outcomes if outcome.result is None]
    if failed:
        raise DeviceError(f"{len(failed)} of {len(outcomes)} devices failed: {', '.join(failed)}")
    invalid = [each.device.name for each in outcomes if each.result and each.result.verdict.status == "invalid"]
    if invalid:
        raise InvalidMeasurement(f"invalid on {', '.join(invalid)}", fix="See the reasons above, and measure again")
