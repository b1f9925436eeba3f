"""Edgeguard's own wheel: from the checkout or the wheel it was installed from, else from the package index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

import edgeguard
from edgeguard._version import __version__
from edgeguard.digests import file_digest, json_digest
from edgeguard.errors import UsageError

__all__ = ["own_wheel"]

_FIX = "Give the wheels with --wheels"
# Wheels of equal sources are to be equal: the device builds a new environment for every new digest.
_EPOCH = "1704067200"
# What setup.py and its kin read beside the packages.
_BUILD_FILES = (".cfg", ".toml", ".md", ".py", ".in", ".txt")


def own_wheel(cache: Path) -> Path:
    """The wheel of the edgeguard that is running.

    :param cache: where it is kept, by the digest of what it was built from.
    :raises UsageError: it can be neither built nor fetched.
    """
    origin = _origin()
    if origin is not None and origin.suffix == ".whl" and origin.is_file():
        return origin
    if origin is not None and origin.is_dir():
        sources = dict(_sources(origin))
        key = json_digest({name: file_digest(path) for name, path in sources.items()})[:16]
        return _kept(cache / key) or _built(cache / key, sources)
    return _kept(cache / __version__) or _fetched(cache / __version__)


def _origin() -> Path | None:
    """What edgeguard was installed from, if that is a file or directory here (PEP 610)."""
    for distribution in metadata.distributions(name="edgeguard"):
        text = distribution.read_text("direct_url.json")
        if text is not None:
            url = urlsplit(json.loads(text)["url"])
            return Path(unquote(url.path)) if url.scheme == "file" else None
    checkout = Path(edgeguard.__file__).parents[1]
    return checkout if (checkout / "setup.cfg").is_file() else None


def _sources(checkout: Path) -> Iterator[tuple[str, Path]]:
    """Files that a wheel is built from: the packages, and what stands beside them."""
    for entry in sorted(checkout.iterdir()):
        if entry.is_file() and (entry.suffix in _BUILD_FILES or entry.name.startswith("LICENSE")):
            yield entry.name, entry
        elif (entry / "__init__.py").is_file() and entry.name != "tests":
            for path in sorted(entry.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield str(path.relative_to(checkout)), path


def _built(folder: Path, sources: Mapping[str, Path]) -> Path:
    # From a copy: setuptools leaves a build folder in the sources, and would pick up what an older one left.
    with tempfile.TemporaryDirectory(prefix="edgeguard-wheel-") as scratch:
        for name, path in sources.items():
            target = Path(scratch, "source", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        return _made(folder, ["wheel", "--no-deps", str(Path(scratch, "source"))], "-w")


def _fetched(folder: Path) -> Path:
    return _made(folder, ["download", "--no-deps", "--only-binary=:all:", f"edgeguard=={__version__}"], "-d")


def _made(folder: Path, command: Sequence[str], destination: str) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *command, "--quiet", "--disable-pip-version-check", destination, scratch],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
            check=False,
        )
        made = _kept(Path(scratch))
        if done.returncode or made is None:
            complaint = (done.stderr.strip().splitlines() or ["no wheel came out"])[-1].removeprefix("ERROR: ")
            raise UsageError(f"pip cannot make edgeguard's own wheel: {complaint}", fix=_FIX)
        folder.mkdir(exist_ok=True)
        os.replace(made, folder / made.name)
        return folder / made.name


def _kept(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("edgeguard-*.whl"))), None)
