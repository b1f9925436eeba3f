"""Where a device is: ``user@host:port``, or a name that the user's ssh configuration knows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeguard.errors import UsageError

__all__ = ["Address", "parse_address"]

# No leading hyphen: ssh would take it for an option.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?")
_FIX = "Write pi@raspberrypi.local, pi@192.0.2.7:2222, pi@[fe80::1%eth0]:22, or a host of your ssh configuration"


@dataclass(frozen=True, slots=True)
class Address:
    """A device's address.

    :param user: ``None`` leaves it to ssh, which knows the user's configuration.
    :param host: a name, an alias of the ssh configuration, or an IP address without brackets.
    :param port: likewise ``None``.
    """

    user: str | None
    host: str
    port: int | None

    def __post_init__(self) -> None:
        """Refuse what ssh would not take for a host.

        :raises UsageError: naming the part.
        """
        if self.user is not None and not _USER.fullmatch(self.user):
            raise UsageError(f"{self.user!r} is no user name", where=self.host, fix=_FIX)
        if not _HOST.fullmatch(self.host):
            raise UsageError(f"{self.host!r} is no host name", fix=_FIX)
        if self.port is not None and not 0 < self.port < 65536:
            raise UsageError(f"{self.port} is no port", where=self.host, fix=_FIX)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port is not None else self.host
        user = "" if self.user is None else f"{self.user}@"
        return f"{user}{host}" if self.port is None else f"{user}{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``[user@]host[:port]``; an IPv6 address with a port stands in brackets.

    :raises UsageError: it is none.
    """
    user, at, rest = text.rpartition("@")
    bracketed = re.fullmatch(r"\[([^\[\]]+)\](?::(\d{1,5}))?", rest)
    if bracketed is not None:
        host, port = bracketed.groups()
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
        if not re.fullmatch(r"\d{1,5}", port):
            raise UsageError(f"{port!r} is no port", where=text, fix=_FIX)
    else:
        host, port = rest, None
    return Address(user if at else None, host, None if port is None else int(port))
