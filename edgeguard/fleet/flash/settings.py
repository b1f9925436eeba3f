"""What the device shall be called, who may enter it, and which network it joins."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeguard.errors import UsageError
from edgeguard.fleet.flash.public_keys import PublicKey
from edgeguard.fleet.flash.wifi import Wifi

__all__ = ["Settings"]

# RFC 1123, one label: a name with dots would be split into host and domain.
_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# What useradd of Debian takes; 32 is the limit of utmp.
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Settings:
    """The device's identity.

    :param hostname: one label as in RFC 1123.
    :param user: is made at the first boot, or taken over where the image has it; may use sudo.
    :param keys: who of the outside may log in as that user; there is no password.
    :param wifi: the wireless network; ``None`` leaves the device to its cable.
    :raises UsageError: one of them cannot be.
    """

    hostname: str
    user: str
    keys: tuple[PublicKey, ...]
    wifi: Wifi | None = None

    def __post_init__(self) -> None:
        """Refuse what the device could not take."""
        if not _HOSTNAME.fullmatch(self.hostname):
            raise UsageError(
                f"{self.hostname!r} is no host name",
                where="--hostname",
                fix="Take up to 63 letters, digits and hyphens, none at the ends",
            )
        if not _USER.fullmatch(self.user):
            raise UsageError(
                f"{self.user!r} is no user name",
                where="--user",
                fix="Take up to 32 small letters, digits, hyphens and underscores, a letter first",
            )
        if self.user == "root":
            raise UsageError("the artifact belongs to a user, not to root", where="--user", fix="Name another, as pi")
        if not self.keys:
            raise UsageError(
                "nobody could log in: there is no public key", where="--ssh-key", fix="Make one: ssh-keygen -t ed25519"
            )
