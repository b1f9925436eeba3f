"""``cmdline.txt``: the one line that the firmware hands to the kernel, edited in place of single words.

The firmware reads the first line only, and each word on it may decide whether the device boots: whatever is not ours
stays as it is, byte by byte.
"""

from __future__ import annotations

import re

__all__ = ["instance_of", "with_country", "with_instance"]

_DATA_SOURCE = rb"ds=nocloud[^ \t]*"
_REGULATORY = rb"cfg80211\.ieee80211_regdom=[^ \t]*"


def instance_of(content: bytes) -> str | None:
    """The instance that cloud-init is told by the line; ``None`` when it is told none."""
    words = re.findall(rb"(?<![^ \t])" + _DATA_SOURCE, _first(content)[0])
    parts = words[-1].split(b";") if words else []
    found = [part[2:] for part in parts if part.startswith(b"i=")]
    return found[-1].decode("latin-1") if found else None


def with_instance(content: bytes, instance: str) -> bytes:
    """Tell cloud-init, by ``ds=nocloud;i=...``, that it runs for a new instance; an older such word goes."""
    return _with_word(content, _DATA_SOURCE, f"ds=nocloud;i={instance}".encode())


def with_country(content: bytes, country: str) -> bytes:
    """Tell the radio, from the first moment on, in which country it is; an older such word goes."""
    return _with_word(content, _REGULATORY, f"cfg80211.ieee80211_regdom={country}".encode())


def _with_word(content: bytes, old: bytes, word: bytes) -> bytes:
    line, rest = _first(content)
    kept = re.sub(rb"(?:^|[ \t]+)" + old + rb"(?=[ \t]|$)", b"", line).rstrip(b" \t")
    if not line.startswith((b" ", b"\t")):
        kept = kept.lstrip(b" \t")
    return (kept + b" " + word if kept else word) + rest


def _first(content: bytes) -> tuple[bytes, bytes]:
    """The first line, and everything from its end on."""
    end = re.search(rb"\r?\n", content)
    return (content, b"\n") if end is None else (content[: end.start()], content[end.start() :])
