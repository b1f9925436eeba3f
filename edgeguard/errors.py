"""Every error edgeguard raises on purpose.

::

    EdgeguardError              1   our bug, when nothing more precise fits
    ├── UsageError              2   the command line asks for something that does not exist or contradicts itself
    │   ├── MissingExtra        2   an optional dependency is not installed
    │   └── OutputExists        2   the output is there already and --force was not given
    ├── RejectedInput           3   a file or data set cannot be used
    │   ├── UnsafeFile          3   using it could run code, escape a directory or exhaust the machine
    │   ├── BadModel            3   not a model, or not one that can be exported or defended
    │   ├── BadData             3   an image or a data set is unusable
    │   └── GuardFailed         3   an export pass produced something its guard refuses
    ├── Untrusted               4   the artifact does not match its manifest
    ├── InvalidMeasurement      5   the benchmark cannot be trusted
    └── DeviceError             6   the device is unreachable, full or rolled back

The numbers are the exit codes of the command line. Each message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "BadData",
    "BadModel",
    "DeviceError",
    "EdgeguardError",
    "GuardFailed",
    "InvalidMeasurement",
    "MissingExtra",
    "OutputExists",
    "RejectedInput",
    "UnsafeFile",
    "Untrusted",
    "UsageError",
]


class EdgeguardError(Exception):
    """Base of all of them.

    :param what: what is wrong, a clause without a full stop.
    :param where: the file, tensor or option that it is about.
    :param fix: what the reader can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where, fix)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f". {self.fix}" if self.fix else ""
        return f"{place}{self.what}{remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross process boundaries, and unpickling would call ``__init__`` with the wrong arguments."""
        return _restored, (type(self), self.what, self.where, self.fix)


class UsageError(EdgeguardError):
    """The command line asks for something that does not exist or contradicts itself."""

    exit_code = 2


class MissingExtra(UsageError):
    """An optional dependency is not installed.

    :param package: the distribution that could not be imported.
    :param extra: the extra of edgeguard that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", fix=f"Install it with: pip install 'edgeguard[{extra}]'")


class OutputExists(UsageError):
    """The output is there already and ``--force`` was not given."""


class RejectedInput(EdgeguardError):
    """A file or data set cannot be used."""

    exit_code = 3


class UnsafeFile(RejectedInput):
    """Using the file could run code, escape a directory or exhaust the machine."""


class BadModel(RejectedInput):
    """Not a model, or not one that can be exported or defended."""


class BadData(RejectedInput):
    """An image or a data set is unusable."""


class GuardFailed(RejectedInput):
    """An export pass produced something its guard refuses."""


class Untrusted(EdgeguardError):
    """The artifact does not match its manifest."""

    exit_code = 4


class InvalidMeasurement(EdgeguardError):
    """The benchmark cannot be trusted."""

    exit_code = 5


class DeviceError(EdgeguardError):
    """The device is unreachable, full or rolled back."""

    exit_code = 6


def _restored(kind: type[EdgeguardError], what: str, where: str | None, fix: str | None) -> EdgeguardError:
    error = kind.__new__(kind)
    EdgeguardError.__init__(error, what, where=where, fix=fix)
    return error
