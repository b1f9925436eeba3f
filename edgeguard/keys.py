"""The owner's key: one secret from which all secret choices of the defenses are drawn.

Each choice has its own subkey, by HKDF with SHA-256 (RFC 5869): who learns one of them, a table of decoys say, learns
nothing about the others nor about the key. The ``info`` of a subkey is ``edgeguard key 1``, the purpose and the
context, the first two ended by a zero byte and each number in 8 bytes, big-endian, so that no two subkeys share theirs.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, get_args

from edgeguard.errors import OutputExists, RejectedInput, UsageError
from edgeguard.extras import require
from edgeguard.keystream import KeyStream
from edgeguard.staging import sync

__all__ = ["MasterKey", "Purpose", "read_key", "write_key"]

Purpose = Literal["derangement", "attractor", "cells", "cell-members", "wrong-class", "noise", "transition"]

_BYTES = 32
_TAG = "edgeguard key"
_VERSION = 1
_HEADER = f"{_TAG} {_VERSION}"
# A key file has 81 bytes; whatever is longer is another file.
_MOST_BYTES = 1024
_COMMITMENT = "commitment"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The secret, which neither ``repr`` nor any message shows.

    :param secret: 32 random bytes.
    :raises ValueError: they are not 32.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _BYTES:
            raise ValueError(f"a key has {_BYTES} bytes, not {len(self.secret)}")

    @classmethod
    def generate(cls) -> Self:
        """A new key, from the operating system's randomness."""
        return cls(secrets.token_bytes(_BYTES))

    def stream(self, purpose: Purpose, *context: int) -> KeyStream:
        """The stream of integers for one choice.

        :param purpose: what is chosen.
        :param context: which of several such choices: the number of classes, a level; 0 to 2^64 - 1 each.
        :raises ValueError: an unknown purpose, or a number out of range.
        :raises MissingExtra: the package ``cryptography`` is not installed.
        """
        if purpose not in get_args(Purpose):
            raise ValueError(f"a key serves no purpose {purpose!r}")
        return KeyStream(self._subkey(purpose, context))

    @property
    def commitment(self) -> str:
        """What may be published, 64 hex digits: it tells keys apart, and nothing else follows from it.

        Whoever published it early can later show that the key is the same one.

        :raises MissingExtra: the package ``cryptography`` is not installed.
        """
        return self._subkey(_COMMITMENT, ()).hex()

    def _subkey(self, purpose: str, context: tuple[int, ...]) -> bytes:
        require("cryptography", "export")
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        if any(not 0 <= number < 1 << 64 for number in context):
            raise ValueError(f"a context is made of numbers from 0 to 2^64 - 1, not {context}")
        info = b"".join(
            [_HEADER.encode(), b"\0", purpose.encode(), b"\0", *(number.to_bytes(8, "big") for number in context)]
        )
        return HKDF(algorithm=SHA256(), length=_BYTES, salt=None, info=info).derive(self.secret)


def read_key(path: Path) -> MasterKey:
    """The key in a file.

    :raises UsageError: there is no such file, or it cannot be read.
    :raises RejectedInput: others may read it, or it is no key file, a truncated one or one of another version.
    """
    where = str(path)
    try:
        with open(path, "rb", opener=_at_once) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _no_key(where, "is no plain file")
            if status.st_mode & 0o077:
                raise RejectedInput(
                    f"others than its owner may use it (mode {stat.S_IMODE(status.st_mode):03o})",
                    where=where,
                    fix=f"Run chmod 600 {path}, and if anybody may have read it, make another key",
                )
            return _parsed(stream.read(_MOST_BYTES + 1), where)
    except FileNotFoundError:
        raise UsageError("there is no such file", where=where, fix="Make a key with edgeguard keygen") from None
    except IsADirectoryError:
        raise _no_key(where, "is a directory") from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=where) from None


def write_key(path: Path, key: MasterKey) -> None:
    """Write a key to a new file that nobody else can read, whole or not at all.

    :raises OutputExists: something is there already; it stays as it is, for a lost key cannot be had back.
    :raises UsageError: the file cannot be written there.
    """
    where = str(path)
    try:
        # mkstemp opens with O_EXCL and mode 0600; a link, unlike a rename, never replaces what is there.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.tmp-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(f"{_HEADER}\n{key.secret.hex()}\n".encode())
                stream.flush()
                os.fsync(handle)
            os.link(name, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        sync(path.parent)
    except FileExistsError:
        raise OutputExists(
            "is there already, and a key is never replaced: without it, what was defended with it can no longer be "
            "traced",
            where=where,
            fix="Choose another name",
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror or error}",
            where=where,
            fix="Choose a folder that exists, is yours, and lies on a file system with modes and links",
        ) from None


def _parsed(content: bytes, where: str) -> MasterKey:
    lines = content.decode("ascii", "replace").split("\n")
    tag = re.fullmatch(rf"{_TAG} (\d+)\r?", lines[0])
    if tag is None or len(content) > _MOST_BYTES:
        raise _no_key(where, "is no key file")
    if int(tag[1]) != _VERSION:
        raise RejectedInput(
            f"is a key of version {int(tag[1])}; this edgeguard reads version {_VERSION}",
            where=where,
            fix="Install the edgeguard that wrote it, or a later one",
        )
    digits = lines[1].strip() if len(lines) > 1 else ""
    if re.fullmatch(rf"[0-9a-fA-F]{{{2 * _BYTES}}}", digits) is None or any(line.strip() for line in lines[2:]):
        # Nothing of the content may get into a message: it may be most of a key.
        raise _no_key(
            where, f"is a damaged key file: after its first line it is not one line of {2 * _BYTES} hex digits"
        )
    return MasterKey(bytes.fromhex(digits))


def _no_key(where: str, what: str) -> RejectedInput:
    return RejectedInput(what, where=where, fix="Copy the file again, or name the one that edgeguard keygen wrote")


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe would wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)
