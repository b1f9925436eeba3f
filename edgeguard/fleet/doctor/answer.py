"""What the script ``probe`` answers, in types. Law: :func:`read_answer` takes what the script gives, and no less."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from edgeguard.errors import DeviceError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Answer", "Deployed", "Import", "Interpreter", "Libc", "Place", "Process", "Python", "read_answer"]

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Python:
    """The device's ``python3``, which makes environments.

    :param bits: of a pointer.
    :param platform: what wheels call it, for example ``linux-aarch64``.
    :param venv, ensurepip: whether the modules are there; Debian has them in packages of their own.
    """

    executable: str
    version: Version
    bits: int
    platform: str
    venv: bool
    ensurepip: bool


@dataclass(frozen=True, slots=True)
class Libc:
    """The C library. ``None`` means that it did not tell."""

    name: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Import:
    """How importing a package ended in a process of its own.

    :param name: of the distribution.
    :param detail: last line of the exception, or name of the signal.
    """

    name: str
    status: Literal["imported", "missing", "failed", "killed", "hangs"]
    version: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python whose packages were looked at.

    :param origin: that of the environment deployed there, one that was named, or the device's ``python3``.
    :param packages: distributions to versions; ``None`` where Python is too old to list them.
    :param failure: why it does not start; ``None`` if it does.
    """

    path: str
    origin: Literal["deployed", "named", "own"]
    version: Version | None
    bits: int | None
    packages: dict[str, str] | None
    failure: str | None
    imports: tuple[Import, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """The file system where edgeguard's directory lies, or will lie.

    :param path: the directory, or the nearest one above it that exists.
    :param free: bytes that this user may still write; ``total``: bytes.
    :param inodes_free: files that can still be made; ``None`` where there is no such limit.
    """

    path: str
    writable: bool
    read_only: bool
    free: int
    total: int
    inodes_free: int | None


@dataclass(frozen=True, slots=True)
class Deployed:
    """An artifact on the device.

    :param current, previous: versions.
    :param intact: the current version's manifest is there.
    """

    name: str
    current: str | None
    previous: str | None
    intact: bool


@dataclass(frozen=True, slots=True)
class Process:
    """A process that works. ``cpu`` is its share of one core, 0 .. number of its threads."""

    pid: int
    name: str
    cpu: float


@dataclass(frozen=True, slots=True)
class Answer:
    """All of it.

    :param time: the device's clock, seconds since 1970.
    :param user: its effective user id.
    :param files: small files of the machine as they are, by their path below the root.
    :param commands: what commands printed; ``None`` for one that is not there or failed.
    """

    time: float
    system: str
    kernel: str
    machine: str
    user: int
    cores: int
    libc: Libc
    python: Python
    interpreter: Interpreter
    files: dict[str, str]
    commands: dict[str, str | None]
    place: Place
    deployed: tuple[Deployed, ...]
    processes: tuple[Process, ...]

    def __post_init__(self) -> None:
        """Refuse names that lead out of a directory: the files are laid out again on the host."""
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\0" in name:
                raise ValueError(f"{name!r} is no path below a root")


@cache
def _adapter() -> TypeAdapter[Answer]:
    from pydantic import TypeAdapter

    return TypeAdapter(Answer)


def read_answer(answer: dict[str, Any], where: str) -> Answer:
    """Check the script's answer.

    :param where: the device, for the message.
    :raises DeviceError: it is none.
    """
    from pydantic import ValidationError

    try:
        return _adapter().validate_python(answer)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise DeviceError(
            f"its answer makes no sense: {field}: {first['msg']}", where=where, fix="Is its python3 intact?"
        ) from None
