"""Making a boot partition ready: checked first, written in order, read back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from edgeguard.errors import DeviceError, OutputExists, RejectedInput
from edgeguard.fleet.flash.bundle import FOLDER, Bundle
from edgeguard.fleet.flash.partition import LEFTOVER, BootPartition
from edgeguard.fleet.flash.renderer import BootFile, Renderer
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.reporter import Reporter

__all__ = ["Flashed", "prepare"]

_KERNEL_LINE = "cmdline.txt"
_FIRMWARE = ("config.txt", _KERNEL_LINE)
# The largest cluster of a FAT that mkfs makes; each file may waste up to one.
_CLUSTER = 1 << 16
_OURS = "edgeguard-"


@dataclass(frozen=True, slots=True)
class Flashed:
    """What was written.

    :param where: the image or the directory.
    :param instance: the identity by which the device knows that it has new settings.
    :param bundle: hex SHA-256 of the bundle.
    :param files: name to hex SHA-256, all read back.
    """

    where: str
    artifact: str
    instance: str
    bundle: str
    files: dict[str, str]


def prepare(
    partition: BootPartition,
    renderer: Renderer,
    settings: Settings,
    bundle: Bundle,
    *,
    replace_existing: bool,
    reporter: Reporter,
) -> Flashed:
    """Write the settings and the bundle.

    :param replace_existing: whether settings that edgeguard or another program wrote may go.
    :raises RejectedInput: this is no boot partition of a system that the renderer is for.
    :raises OutputExists: it holds settings already, and they may not go.
    :raises DeviceError: it is full, fails, or gives back other bytes than were written.
    """
    _require(partition, renderer)
    line = partition.read(_KERNEL_LINE)
    _require_untouched(partition, renderer, line, replace_existing)
    instance = f"{_OURS}{secrets.token_hex(8)}"
    files = renderer.render(settings, bundle, instance=instance, kernel_line=line)
    for name in _bundles(partition):
        if name.endswith(LEFTOVER):
            partition.remove(name)
    _require_room(partition, files)
    for file in files:
        reporter.step(f"writing {file.name}, {len(file.data):,} bytes")
        partition.write(file.name, file.data)
        _require_same(partition, file)
    # Only now: until the last file was written, the old settings were in force and may have needed their bundle.
    for name in _bundles(partition):
        if name != bundle.path:
            partition.remove(name)
    digests = {file.name: hashlib.sha256(file.data).hexdigest() for file in files}
    return Flashed(partition.where, bundle.name, instance, bundle.digest, digests)


def _require(partition: BootPartition, renderer: Renderer) -> None:
    for name in _FIRMWARE:
        if not partition.exists(name):
            raise RejectedInput(
                f"is no boot partition of a Raspberry Pi: it has no {name}",
                where=partition.where,
                fix="Name the first partition of a card with Raspberry Pi OS on it, mounted",
            )
    for name in renderer.needs:
        if not partition.exists(name):
            what, fix = renderer.missing
            raise RejectedInput(f"{what} (there is no {name})", where=partition.where, fix=fix)


def _require_untouched(partition: BootPartition, renderer: Renderer, line: bytes, replace_existing: bool) -> None:
    instance = renderer.prepared_by(line)
    if instance is None or replace_existing:
        return
    whose = "edgeguard" if instance.startswith(_OURS) else "another program"
    raise OutputExists(
        f"holds settings of {whose} already (instance {instance})",
        where=partition.where,
        fix="Pass --force to replace them, or take a fresh image",
    )


def _require_room(partition: BootPartition, files: Sequence[BootFile]) -> None:
    """All of it must fit beside what is there: old files stay until the new ones are whole."""
    needed = sum(len(file.data) + _CLUSTER for file in files)
    free = partition.free_bytes()
    if needed > free:
        raise DeviceError(
            f"the boot partition is too full: {needed / 1e6:.1f} MB are needed and {free / 1e6:.1f} MB are free",
            where=partition.where,
            fix="Make room there, or take a fresh image",
        )


def _require_same(partition: BootPartition, file: BootFile) -> None:
    found = hashlib.sha256(partition.read(file.name)).hexdigest()
    expected = hashlib.sha256(file.data).hexdigest()
    if found != expected:
        raise DeviceError(
            f"{file.name} reads back otherwise than it was written",
            where=partition.where,
            fix="The card or its reader is failing: try another one",
        )


def _bundles(partition: BootPartition) -> tuple[str, ...]:
    """Bundles that are there, of earlier runs and half-written ones too."""
    return tuple(f"{FOLDER}/{name}" for name in partition.names(FOLDER) if name.startswith("bundle-"))
