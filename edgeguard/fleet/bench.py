"""The benchmark on a device: the same runner, executed there, among files that are gone afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from edgeguard import errors
from edgeguard.artifact import LAB_TABLE, MANIFEST, Artifact, open_artifact
from edgeguard.bench.result import Result, parse_result
from edgeguard.bench.settings import Settings
from edgeguard.fleet.deploy_store import artifact_name
from edgeguard.fleet.transport import OnLine, Transport
from edgeguard.fleet.workspace import run_in_workspace

__all__ = ["as_options", "bench_device"]

# A thorough measurement of a large network on a slow board, and a sustained one after it.
_TIMEOUT_S = 6 * 3600.0
_BY_CODE: dict[int, type[errors.EdgeguardError]] = {
    kind.exit_code: kind
    for kind in (
        errors.EdgeguardError,
        errors.UsageError,
        errors.RejectedInput,
        errors.Untrusted,
        errors.InvalidMeasurement,
        errors.DeviceError,
    )
}


def bench_device(
    transport: Transport,
    artifact: Path,
    settings: Settings,
    *,
    directory: str,
    on_line: OnLine,
    beside: Path | None = None,
) -> Result:
    """Measure an artifact on a device, beside what its lab here holds. The device needs edgeguard, not the artifact.

    :param directory: edgeguard's on the device.
    :param on_line: called with each line that the measurement says of its progress.
    :param beside: another artifact, to take turns with it.
    :return: what the device measured; it may be invalid, see its verdict.
    :raises UsageError: there is no artifact here, or the device cannot do what is asked.
    :raises Untrusted: a file is not what the manifest says.
    :raises DeviceError: the device cannot be reached or has no edgeguard, or the connection broke.
    :raises EdgeguardError: whatever ``edgeguard bench`` raised there.
    """
    opened = open_artifact(artifact)
    # Its name as a deploy would have it, however it is reached here.
    name = artifact_name(artifact.resolve())
    command = ["bench", f"{name}.edgeguard", "-o", "result.json", "--json", *as_options(settings)]
    files = _files(opened, name)
    if beside is not None:
        other = artifact_name(beside.resolve())
        # They lie in one folder there, whatever their folders here.
        other = f"{other}-beside" if other == name else other
        command += ["--beside", f"{other}.edgeguard"]
        files |= _files(open_artifact(beside), other)
    arguments = ["-P", "-m", "edgeguard.cli", *command]
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        if not line.startswith("error: "):
            on_line(line)

    ran = run_in_workspace(transport, directory, files, arguments, timeout=_TIMEOUT_S, on_line=hear)
    if ran.stdout.strip():
        return parse_result(ran.stdout.encode(), where=f"the result from {transport.name}")
    raise _raised(ran.code, said, transport.name)


def as_options(settings: Settings) -> list[str]:
    """What to write after ``edgeguard bench ARTIFACT`` for these settings."""
    options: list[str] = []
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name == "sustained_s":
            options += [] if value is None else ["--sustained", f"{value:.3f}s"]
        elif value is True:
            options.append(f"--{field.name}")
        elif value is not None and value is not False:
            options += [f"--{field.name}", str(value)]
    return options


def _files(artifact: Artifact, name: str) -> dict[str, Path | bytes]:
    """All of the artifact, and the models of its lab where that is there and belongs to it."""
    files: dict[str, Path | bytes] = {
        f"{name}.edgeguard/{file}": artifact.path / file for file in (MANIFEST, *artifact.manifest.files)
    }
    for file in artifact.manifest.lab:
        if file == LAB_TABLE:
            continue
        try:
            files[f"{name}.lab/{file}"] = artifact.lab_file(file)
        except errors.UsageError:
            continue  # the measurement will say which variants are missing, and why
    return files


def _raised(code: int, said: Sequence[str], name: str) -> errors.EdgeguardError:
    """What the command there ended with."""
    messages = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    if messages:
        return _BY_CODE.get(code, errors.DeviceError)(messages[-1], where=f"on {name}")
    last = f", after: {said[-1]}" if said else ""
    return errors.DeviceError(
        f"the measurement ended with exit code {code}{last}",
        where=f"on {name}",
        fix="-9 means that memory ran out there, or that somebody stopped it",
    )
