"""What the device installs at its first boot, in one tar: the artifact, the wheels, the scripts that install them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from edgeguard._version import __version__
from edgeguard.artifact import Artifact, file_facts
from edgeguard.errors import RejectedInput, Untrusted, UsageError
from edgeguard.fleet.deploy_store import artifact_content, artifact_name
from edgeguard.fleet.device_part import extras_for, requirements
from edgeguard.fleet.wheels import Wheels
from edgeguard.manifest import FileFacts

__all__ = ["CONTENTS", "FOLDER", "Bundle", "make_bundle"]

FOLDER = "edgeguard"
# In the tar: what the artifact and the wheels consist of, as the scripts take it.
CONTENTS = "contents.json"
_SCRIPTS = "edgeguard.fleet.remote"
# PEP 427: name-version(-build)?-python-abi-platform.whl
_WHEEL = re.compile(r"[\w.]+-[\w.!+]+(?:-\d[\w.]*)?-[\w.]+-[\w.]+-(?P<platforms>[\w.]+)\.whl", re.ASCII)
# Extra to the beginning of the name of the wheel that it is about.
_WHEELS_OF = {"litert": "ai_edge_litert-"}
_LARGEST_FILE = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """A tar and the digest that the device compares.

    :param name: of the artifact, as on the device.
    :param version: of the artifact, as on the device.
    :param data: the tar's bytes; equal content gives equal bytes.
    """

    name: str
    version: str
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the tar."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def path(self) -> str:
        """Where it lies on the boot partition: named by content, so that a new one never takes an old one's place."""
        return f"{FOLDER}/bundle-{self.digest[:16]}.tar"


def make_bundle(artifact: Artifact, wheels: Wheels) -> Bundle:
    """Pack an artifact with the wheels of the device part of edgeguard, pip among them.

    :raises UsageError: a file cannot be read, or the artifact's name is none that a device could keep it under.
    :raises RejectedInput: the wheels are not of this edgeguard, or not for a 64-bit Pi.
    :raises Untrusted: the artifact changed since it was opened.
    """
    name, content = artifact_name(artifact.path), artifact_content(artifact)
    wheels = replace(wheels, extras=extras_for({artifact.manifest.model.format}))
    _check_wheels(wheels.files)
    _check_extras(wheels)
    wheel_facts = {path.name: file_facts(path) for path in wheels.files}
    files = _read("artifact", content.paths, content.facts)
    files |= _read("wheels", {path.name: path for path in wheels.files}, wheel_facts)
    files |= {f"remote/{script}": data for script, data in _scripts()}
    contents = {
        "artifact": {"name": name, "version": content.version, "files": _plain(content.facts)},
        "wheels": {
            "version": wheels.digest[:16],
            "digest": wheels.digest,
            "requirements": requirements(wheels.extras),
            "index": not wheels.complete,
            "files": _plain(wheel_facts),
        },
    }
    files[CONTENTS] = json.dumps(contents, sort_keys=True).encode()
    data = _tar(files)
    if len(data) > _LARGEST_FILE:
        raise RejectedInput("is too large for the FAT of a boot partition: 4 GiB is the most", where=str(artifact.path))
    return Bundle(name, content.version, data)


def _read(folder: str, paths: Mapping[str, Path], facts: Mapping[str, FileFacts]) -> dict[str, bytes]:
    """The files, as they were when their facts were taken."""
    found = {}
    for name, path in paths.items():
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", where=str(path), fix="Try again") from None
        if hashlib.sha256(data).hexdigest() != facts[name].sha256:
            raise Untrusted("changed while it was read", where=str(path), fix="Try again")
        found[f"{folder}/{name}"] = data
    return found


def _plain(facts: Mapping[str, FileFacts]) -> dict[str, dict[str, Any]]:
    return {name: asdict(each) for name, each in facts.items()}


def _check_wheels(paths: Sequence[Path]) -> None:
    """What pip would refuse at the first boot, where nobody looks, is refused here."""
    for path in paths:
        match = _WHEEL.fullmatch(path.name)
        if match is None:
            raise RejectedInput("is no wheel", where=str(path), fix="Give wheels, NAME-VERSION-...-PLATFORM.whl")
        if not any(tag == "any" or tag.endswith("_aarch64") for tag in match["platforms"].split(".")):
            raise RejectedInput(
                "is a wheel for other machines than a 64-bit Raspberry Pi",
                where=str(path),
                fix="Fetch it with: pip download --platform manylinux_2_28_aarch64 --only-binary=:all:",
            )
    if not any(path.name.startswith(f"edgeguard-{__version__}-") for path in paths):
        raise RejectedInput(
            f"edgeguard {__version__}, which this is, is not among the wheels",
            where="--wheels",
            fix="Build its wheel: pip wheel --no-deps edgeguard",
        )


def _check_extras(wheels: Wheels) -> None:
    """An engine that is missing would be, too."""
    for extra in wheels.extras:
        beginning = _WHEELS_OF[extra]
        if wheels.complete and not any(path.name.startswith(beginning) for path in wheels.files):
            raise RejectedInput(
                f"{beginning.rstrip('-')}, which the artifact's format needs, is not among the wheels",
                where="--wheels",
                fix=f"Fetch them with: pip download edgeguard[{extra}]",
            )


def _scripts() -> Iterator[tuple[str, bytes]]:
    for entry in resources.files(_SCRIPTS).iterdir():
        if entry.name.endswith(".py"):
            yield entry.name, entry.read_bytes()


def _tar(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(files[name]))
    return stream.getvalue()
