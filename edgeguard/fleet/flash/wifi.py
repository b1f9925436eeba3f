"""A wireless network, with its key in the place of the password.

WPA derives the key from the passphrase and the network's name (IEEE 802.11i, H.4.1: PBKDF2 with HMAC-SHA1, 4096 rounds,
32 bytes). The key opens this network and no other place where the same password may be used, so only it is stored.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Self

from edgeguard.errors import UsageError

__all__ = ["Wifi"]

_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_MOST_SSID_BYTES = 32
_ROUNDS = 4096
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Wifi:
    """A WPA2 network.

    :param ssid: its name, 1 to 32 bytes of UTF-8, printable.
    :param key: 64 hexadecimal digits; ``repr`` does not show them.
    :param country: ISO 3166-1 alpha-2, in capitals: without it the radio stays off.
    :raises UsageError: one of them cannot be.
    """

    ssid: str
    key: str = field(repr=False)
    country: str

    def __post_init__(self) -> None:
        """Refuse what no network has."""
        _check_ssid(self.ssid)
        if not _KEY.fullmatch(self.key):
            raise UsageError("the Wi-Fi key is not 64 hexadecimal digits", where=self.ssid)
        if not _COUNTRY.fullmatch(self.country):
            raise UsageError(
                f"{self.country!r} is no country", where="--wifi-country", fix="Give its two letters, as DE, GB or US"
            )

    @classmethod
    def from_password(cls, ssid: str, password: str, country: str) -> Self:
        """The network of this name and passphrase.

        :param password: 8 to 63 printable ASCII characters, or the 64 hexadecimal digits of the key itself.
        :raises UsageError: it is neither, or see above.
        """
        _check_ssid(ssid)
        return cls(ssid, _derived_key(ssid, password), country.upper())


def _check_ssid(ssid: str) -> None:
    fix = "A network's name has 1 to 32 bytes, printable characters"
    if not ssid.isprintable():
        raise UsageError("the network's name has characters that cannot be printed", where="--wifi", fix=fix)
    if not 0 < len(ssid.encode("utf-8", "replace")) <= _MOST_SSID_BYTES:
        raise UsageError("the network's name is empty or too long", where="--wifi", fix=fix)


def _derived_key(ssid: str, password: str) -> str:
    if _KEY.fullmatch(password):
        return password.lower()
    if not 8 <= len(password) <= 63 or not (password.isascii() and password.isprintable()):
        raise UsageError(
            "the Wi-Fi password cannot be one of WPA2",
            where=ssid,
            fix="It has 8 to 63 printable ASCII characters; open networks and company logins are not supported",
        )
    return hashlib.pbkdf2_hmac("sha1", password.encode(), ssid.encode(), _ROUNDS, _KEY_BYTES).hex()
