"""Where this machine gets Debian packages from, read from its own apt configuration: both formats, no host of ours."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Source", "debian_source", "host_sources", "parse_deb822", "parse_one_line"]

# What a Debian archive calls its releases; "bookworm-security" or "cloud-sdk-bookworm" are none.
_RELEASES = frozenset(
    ("bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable")
)
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True)
class Source:
    """One line of ``sources.list``, or one stanza of a ``.sources`` file and one of its addresses.

    :param signed_by: a keyring's file, a fingerprint or a whole key, as apt takes it.
    :param trusted: the signature is not checked, because the machine's owner said so.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str | None = None
    trusted: bool = False

    def stanza(self, suite: str) -> str:
        """The same archive and trust, for one suite's ``main``, in the deb822 format."""
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {suite}", "Components: main"]
        key = self.signed_by or (str(_KEYRING) if _KEYRING.is_file() else None)
        if key is not None:
            lines.append(f"Signed-By: {key}")
        if self.trusted:
            lines.append("Trusted: yes")
        return "\n".join(lines) + "\n"


def parse_one_line(text: str) -> list[Source]:
    """The sources of a file in the one-line format: ``deb [signed-by=FILE] URI SUITE COMPONENT...``."""
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].replace("[", " [ ").replace("]", " ] ").split()
        if not words or words[0] != "deb":
            continue
        options: dict[str, str] = {}
        rest = words[1:]
        if rest[:1] == ["["] and "]" in rest:
            end = rest.index("]")
            options = dict(option.split("=", 1) for option in rest[1:end] if "=" in option)
            rest = rest[end + 1 :]
        if len(rest) >= 3:
            trusted = options.get("trusted") == "yes"
            found.append(Source(rest[0], (rest[1],), tuple(rest[2:]), options.get("signed-by"), trusted))
    return found


def parse_deb822(text: str) -> list[Source]:
    """The sources of a file in the deb822 format: stanzas of ``Types``, ``URIs``, ``Suites``, ``Components``."""
    found = []
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes") == "no":
            continue
        suites, components = tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split())
        signed_by, trusted = fields.get("signed-by"), fields.get("trusted") == "yes"
        found += [Source(uri, suites, components, signed_by, trusted) for uri in fields.get("uris", "").split()]
    return found


def _stanzas(text: str) -> Iterator[Mapping[str, str]]:
    fields: dict[str, str] = {}
    name = None
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, None
        elif line[0].isspace():
            # A folded value keeps its lines: a key that stands in the file itself needs them.
            if name is not None:
                fields[name] += "\n" + line
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()


def debian_source(sources: Iterable[Source], suite: str) -> Source | None:
    """The archive of Debian itself among ``sources``, or None; one that is known to hold ``suite`` goes first.

    Others publish for Debian's releases too: the archive is recognised by its key or by the last part of its address.
    """
    archives = [source for source in sources if _is_archive(source)]
    return min(archives, key=lambda source: suite not in source.suites, default=None)


def _is_archive(source: Source) -> bool:
    named = "debian-archive-keyring" in (source.signed_by or "") or "debian" in source.uri.rstrip("/").split("/")[-1]
    local = source.uri.startswith(("cdrom:", "file:", "copy:"))
    return named and not local and "main" in source.components and not _RELEASES.isdisjoint(source.suites)


def host_sources() -> list[Source]:
    """What apt on this machine reads; empty where there is no apt."""
    if shutil.which("apt-config") is None:
        return []
    command = ["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    places = dict(word.split("=", 1) for word in shlex.split(answer.replace(";", " ")))
    parts = Path(places.get("PARTS", "/nonexistent"))
    files = [Path(places.get("LIST", "/nonexistent"))]
    files += sorted(parts.iterdir()) if parts.is_dir() else []
    found: list[Source] = []
    for file in files:
        if file.is_file() and file.suffix == ".sources":
            found += parse_deb822(file.read_text("utf-8", "replace"))
        elif file.is_file() and file.suffix == ".list":
            found += parse_one_line(file.read_text("utf-8", "replace"))
    return found
