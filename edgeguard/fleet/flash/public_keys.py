"""Public keys of OpenSSH: read, checked, and looked for where ssh-keygen puts them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import RejectedInput, UsageError

__all__ = ["PublicKey", "default_key_file", "parse_public_keys", "read_public_keys"]

# What sshd of OpenSSH 9 accepts (PubkeyAcceptedAlgorithms), certificates left out.
KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
_MOST_BYTES = 1 << 16
_LINE = re.compile(r"(\S+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+(.*))?")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key.

    :param kind: one of those that sshd accepts.
    :param body: its bytes in base64, which repeat the kind.
    :param comment: printable, may be empty.
    :raises ValueError: they do not fit together.
    """

    kind: str
    body: str
    comment: str = ""

    def __post_init__(self) -> None:
        """Refuse what sshd would pass over."""
        if self.kind not in KINDS:
            raise ValueError("it is of no kind that sshd accepts")
        try:
            raw = base64.b64decode(self.body, validate=True)
        except binascii.Error:
            raise ValueError("its base64 is damaged") from None
        size = int.from_bytes(raw[:4], "big")
        if raw[4 : 4 + size] != self.kind.encode() or len(raw) <= 4 + size:
            raise ValueError(f"it is damaged: it does not hold a key of the kind {self.kind}")
        if not self.comment.isprintable():
            raise ValueError("its comment has characters that cannot be printed")

    def __str__(self) -> str:
        return f"{self.kind} {self.body} {self.comment}".rstrip()


def default_key_file(directory: Path) -> Path | None:
    """The key of a user who names none: ``id_ed25519.pub`` of ``~/.ssh``, else the first ``id_*.pub``."""
    preferred = directory / "id_ed25519.pub"
    if preferred.is_file():
        return preferred
    return next((path for path in sorted(directory.glob("id_*.pub")) if path.is_file()), None)


def read_public_keys(paths: Sequence[Path]) -> tuple[PublicKey, ...]:
    """The keys of several files, each once.

    :raises UsageError: a file cannot be read.
    :raises RejectedInput: it holds a private key, or something that is no public key.
    """
    keys: dict[PublicKey, None] = {}
    for path in paths:
        try:
            with path.open("rb") as stream:
                content = stream.read(_MOST_BYTES + 1)
        except OSError as error:
            raise UsageError(
                f"cannot be read: {error.strerror}", where=str(path), fix="Name a .pub file with --ssh-key"
            ) from None
        keys.update(dict.fromkeys(parse_public_keys(content, str(path))))
    return tuple(keys)


def parse_public_keys(content: bytes, where: str) -> tuple[PublicKey, ...]:
    """The keys of a ``.pub`` or ``authorized_keys`` file, one a line; blank lines and comments may stand between.

    :raises RejectedInput: see :func:`read_public_keys`.
    """
    if b"PRIVATE KEY" in content or content.startswith(b"PuTTY-User-Key-File"):
        raise RejectedInput(
            "is a private key, which never leaves this machine", where=where, fix="Name the file beside it: .pub"
        )
    fix = "Give a line as ssh-keygen writes it to a .pub file: kind, base64, comment"
    if len(content) > _MOST_BYTES:
        raise RejectedInput("is too large for public keys", where=where, fix=fix)
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise RejectedInput("is no text", where=where, fix=fix) from None
    if any(line.startswith("---- BEGIN SSH2 PUBLIC KEY") for line in lines):
        raise RejectedInput("is a public key in another format", where=where, fix="Convert it: ssh-keygen -i -f FILE")
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    keys = tuple(
        _parsed(line, f"{where}:{number}", fix) for number, line in numbered if line and not line.startswith("#")
    )
    if not keys:
        raise RejectedInput("holds no public key", where=where, fix=fix)
    return keys


def _parsed(line: str, where: str, fix: str) -> PublicKey:
    match = _LINE.fullmatch(line)
    if match is None:
        raise RejectedInput("is no public key", where=where, fix=fix)
    kind, body, comment = match.groups(default="")
    try:
        return PublicKey(kind, body, comment.strip())
    except ValueError as error:
        raise RejectedInput(f"is no usable public key: {error}", where=where, fix=fix) from None
