"""Versioned directories on a device, spoken to from here; see :mod:`edgeguard.fleet.remote.store`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeguard.artifact import MANIFEST, Artifact, file_facts
from edgeguard.errors import UsageError
from edgeguard.fleet.remote_call import call, payload_of
from edgeguard.fleet.transport import Transport
from edgeguard.manifest import FileFacts

__all__ = ["Content", "Place", "Sent", "Status", "artifact_content", "artifact_name"]

_TIMEOUT_S = 300.0
# Bytes per second: slower than that, it is not a network.
_SLOWEST = 20_000.0


@dataclass(frozen=True, slots=True)
class Content:
    """What a version consists of.

    :param version: its name, 16 hexadecimal digits.
    :param paths: file name there to path here.
    :param facts: of each file.
    """

    version: str
    paths: Mapping[str, Path]
    facts: Mapping[str, FileFacts]


@dataclass(frozen=True, slots=True)
class Status:
    """What a device has at a place: the current version, the one before, and all of them."""

    current: str | None
    previous: str | None
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """What it took to bring a version to a device.

    :param files: how many were sent; ``reused`` were there already, in this version or another.
    """

    files: int
    bytes: int
    reused: int


@dataclass(frozen=True, slots=True)
class Place:
    """A versioned directory on a device.

    :param directory: edgeguard's there.
    :param path: below that: ``artifacts/NAME``, ``wheels`` or ``env``.
    """

    transport: Transport
    directory: str
    path: str

    def version_path(self, version: str) -> str:
        """Where a version lies, below the home unless ``directory`` is absolute."""
        return f"{self.directory}/{self.path}/versions/{version}"

    @property
    def current_path(self) -> str:
        """The link to the current version."""
        return f"{self.directory}/{self.path}/current"

    def status(self) -> Status:
        """What is there.

        :raises DeviceError: the device cannot be reached; so also the other methods.
        """
        return _status(self._do("status", {}))

    def bring(self, content: Content) -> Sent:
        """Make a version complete there, sending what the device lacks. It does not become current by that.

        :raises DeviceError: there is no room, another deploy is at work, or a file arrived damaged.
        """
        facts = {name: asdict(each) for name, each in content.facts.items()}
        planned = self._do("plan", {"version": content.version, "files": facts})
        missing: list[str] = planned["missing"]
        size = sum(content.facts[name].size for name in missing)
        if not planned["complete"]:
            arguments = {"version": content.version, "files": facts, "sent": missing}
            self._do("receive", arguments, [content.paths[name] for name in missing], _TIMEOUT_S + size / _SLOWEST)
        return Sent(len(missing), size, len(facts) - len(missing))

    def switch(self, version: str, expected: str | None) -> Status:
        """Make a version current.

        :param expected: the one that is current now.
        :raises DeviceError: another one is, or the version is not there.
        """
        return _status(self._do("switch", {"version": version, "expected": expected}))

    def restore(self, undone: str, before: Status) -> None:
        """Let the links be as they were before the switch to ``undone``, unless another version is current by now."""
        self._do("restore", {"undone": undone, "current": before.current, "previous": before.previous})

    def prune(self) -> None:
        """Remove what is neither current nor previous."""
        self._do("prune", {})

    def _do(
        self, operation: str, arguments: dict[str, Any], paths: Sequence[Path] = (), timeout: float = _TIMEOUT_S
    ) -> dict[str, Any]:
        request = {"op": operation, "directory": self.directory, "place": self.path, "arguments": arguments}
        return call(self.transport, "store", request, payload=payload_of(paths), timeout=timeout)


def artifact_content(artifact: Artifact) -> Content:
    """All files of an artifact; the version is the digest of its manifest, which has those of the others."""
    facts = {MANIFEST: file_facts(artifact.path / MANIFEST), **artifact.manifest.files}
    return Content(facts[MANIFEST].sha256[:16], {name: artifact.path / name for name in facts}, facts)


def artifact_name(path: Path) -> str:
    """Name that devices know an artifact by: its directory's, without ``.edgeguard``.

    :raises UsageError: it is not a plain name.
    """
    name = path.absolute().name.removesuffix(".edgeguard")
    if not name.isprintable() or not name or name.startswith((".", "-")) or "\\" in name:
        raise UsageError(f"{name!r} is no name for an artifact on a device", where=str(path), fix="Rename it")
    return name


def _status(answer: dict[str, Any]) -> Status:
    return Status(answer["current"], answer["previous"], tuple(answer["versions"]))
