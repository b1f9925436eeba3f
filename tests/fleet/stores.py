"""Content for the device's store, and what the store must say of itself at every moment."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from edgeguard.fleet.remote import store

__all__ = ["Version", "bring", "intact"]


class Version:
    """Files of a version; its name is the digest of their digests."""

    def __init__(self, **files: bytes) -> None:
        self.content = {f"{name}.bin": data for name, data in files.items()}
        self.facts = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in self.content.items()
        }
        self.name = hashlib.sha256(repr(sorted(self.facts.items())).encode()).hexdigest()[:16]

    def payload(self, names: list[str]) -> io.BytesIO:
        return io.BytesIO(b"".join(self.content[name] for name in names))

    def lies_in(self, folder: Path) -> bool:
        return {path.name: path.read_bytes() for path in folder.iterdir()} == self.content


def request(root: Path, operation: str, **arguments: Any) -> dict[str, Any]:
    return {
        "op": operation,
        "directory": str(root.parent),
        "place": root.name,
        "arguments": arguments,
        "patience": 5,
    }


def bring(root: Path, version: Version) -> list[str]:
    """Bring a version as a deploy does, and make it current; returns the names of the files that were sent."""
    planned = store.main(request(root, "plan", version=version.name, files=version.facts), io.BytesIO())
    missing: list[str] = planned["missing"]
    if not planned["complete"]:
        sent = request(root, "receive", version=version.name, files=version.facts, sent=missing)
        store.main(sent, version.payload(missing))
    store.main(request(root, "switch", version=version.name, expected=planned["current"]), io.BytesIO())
    store.main(request(root, "prune"), io.BytesIO())
    return missing


def intact(root: Path, *versions: Version) -> str | None:
    """Name of the current version, after a look at every file of all versions that links name."""
    known = {version.name: version for version in versions}
    for link in ("current", "previous"):
        if (root / link).is_symlink():
            folder = (root / link).resolve()
            assert known[folder.name].lies_in(folder)
    assert not (root / "current").is_symlink() or (root / "current").exists()
    return (root / "current").resolve().name if (root / "current").exists() else None
