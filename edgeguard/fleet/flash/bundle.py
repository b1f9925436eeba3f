"""What the device installs at its first boot, in one tar: the artifact, the wheels, the scripts that install them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from edgeguard.artifact import MANIFEST, Artifact
from edgeguard.errors import RejectedInput, Untrusted, UsageError

__all__ = ["CONTENTS", "FOLDER", "Bundle", "artifact_name", "make_bundle"]

FOLDER = "edgeguard"
# In the tar: the artifact's name and version, and each folder's files with digest and size, as the scripts take them.
CONTENTS = "contents.json"
_SCRIPTS = "edgeguard.fleet.remote"
_NEEDED = ("edgeguard", "pip")
# PEP 427: name-version(-build)?-python-abi-platform.whl
_WHEEL = re.compile(r"([A-Za-z0-9._]+)-[A-Za-z0-9._!+]+(?:-\d[A-Za-z0-9._]*)?-[\w.]+-[\w.]+-([\w.]+)\.whl")
# Plain names for a FAT: no other reader of the card should stumble over one.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_LARGEST_FILE = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """A tar and the digest that the device compares.

    :param name: of the artifact, without ``.edgeguard``.
    :param data: the tar's bytes; equal content gives equal bytes.
    """

    name: str
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the tar."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def path(self) -> str:
        """Where it lies on the boot partition: named by content, so that a new one never takes an old one's place."""
        return f"{FOLDER}/bundle-{self.digest[:16]}.tar"


def make_bundle(artifact: Artifact, wheels: Sequence[Path]) -> Bundle:
    """Pack an artifact with the wheels of the device part of edgeguard, pip among them.

    :raises UsageError: a wheel cannot be read, or the artifact's name is none that the device could keep it under.
    :raises RejectedInput: the wheels lack edgeguard or pip, or one of them is for other machines than a 64-bit Pi.
    :raises Untrusted: the artifact changed since it was opened.
    """
    name = artifact_name(artifact.path)
    parts = {
        "artifact": dict(_artifact_files(artifact)),
        "wheels": dict(_wheel_files(wheels)),
        "remote": dict(_scripts()),
    }
    files = {f"{folder}/{file}": data for folder, content in parts.items() for file, data in content.items()}
    version = hashlib.sha256(parts["artifact"][MANIFEST]).hexdigest()[:16]
    contents = {"name": name, "version": version, **{folder: _facts(content) for folder, content in parts.items()}}
    files[CONTENTS] = json.dumps(contents, sort_keys=True).encode()
    data = _tar(files)
    if len(data) > _LARGEST_FILE:
        raise RejectedInput("is too large for the FAT of a boot partition: 4 GiB is the most", where=str(artifact.path))
    return Bundle(name, data)


def artifact_name(path: Path) -> str:
    """The name that a device keeps an artifact under.

    :raises UsageError: its directory has no name, or one with characters that not every file system keeps.
    """
    name = path.absolute().name.removesuffix(".edgeguard")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name to keep it under on the device",
            where=str(path),
            fix="Rename it: letters, digits, dot, hyphen and underscore",
        )
    return name


def _artifact_files(artifact: Artifact) -> Iterator[tuple[str, bytes]]:
    yield MANIFEST, (artifact.path / MANIFEST).read_bytes()
    for name, facts in artifact.manifest.files.items():
        data = (artifact.path / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != facts.sha256:
            raise Untrusted("changed while it was read", where=str(artifact.path / name), fix="Try again")
        yield name, data


def _wheel_files(wheels: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    found = {}
    for path in wheels:
        match = _WHEEL.fullmatch(path.name)
        if match is None:
            raise RejectedInput("is no wheel", where=str(path), fix="Give wheels, NAME-VERSION-...-PLATFORM.whl")
        if not any(tag == "any" or tag.endswith("_aarch64") for tag in match[2].split(".")):
            raise RejectedInput(
                "is a wheel for other machines than a 64-bit Raspberry Pi",
                where=str(path),
                fix="Fetch it with: pip download --platform manylinux_2_28_aarch64 --only-binary=:all:",
            )
        found[match[1].lower()] = path
    for name in _NEEDED:
        if name not in found:
            raise RejectedInput(
                f"the wheels lack {name}",
                where="--wheels",
                fix=f"Add it: the device may have no network ({name}-*.whl)",
            )
    for path in wheels:
        try:
            yield path.name, path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _scripts() -> Iterator[tuple[str, bytes]]:
    for entry in resources.files(_SCRIPTS).iterdir():
        if entry.name.endswith(".py"):
            yield entry.name, entry.read_bytes()


def _facts(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    return {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}


def _tar(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(files[name]))
    return stream.getvalue()
