"""What goes onto a boot partition, decided without touching one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edgeguard.fleet.flash.bundle import Bundle
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.wheels import DevicePython

__all__ = ["BootFile", "Renderer"]


@dataclass(frozen=True, slots=True)
class BootFile:
    """A file of the boot partition.

    :param name: relative to its root, with slashes.
    """

    name: str
    data: bytes


class Renderer(Protocol):
    """One way of telling an operating system, before its first boot, what to be."""

    @property
    def name(self) -> str:
        """Its name in the registry."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Files by which a boot partition shows that its system listens to this renderer."""
        ...

    @property
    def python(self) -> DevicePython:
        """What the wheels must fit, for nobody can ask the device before it has booted."""
        ...

    @property
    def missing(self) -> tuple[str, str]:
        """What is wrong where they are missing, and what to do about it."""
        ...

    def prepared_by(self, kernel_line: bytes) -> str | None:
        """Whose settings the partition holds already, by its ``cmdline.txt``; ``None`` for an untouched one."""
        ...

    def render(self, settings: Settings, bundle: Bundle, *, instance: str, kernel_line: bytes) -> tuple[BootFile, ...]:
        """The files in the order in which they must be written: each may rely on those before it, none on later ones.

        :param instance: an identity that no device had before: a new one makes the system take the settings.
        :param kernel_line: ``cmdline.txt`` as it is.
        """
        ...
