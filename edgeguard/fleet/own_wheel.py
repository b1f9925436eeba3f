"""Edgeguard's own wheel: of the checkout that is running, or put together again from the files that are installed.

Never from a package index: what is under this name and version there need not be what runs here.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import edgeguard
from edgeguard._version import __version__
from edgeguard.digests import file_digest, json_digest
from edgeguard.errors import UsageError
from edgeguard.staging import write_file

__all__ = ["own_wheel"]

_FIX = "Give the wheels with --wheels"
# Wheels of equal sources are to be equal: the device builds a new environment for every new digest.
_EPOCH = "1704067200"
# Files of a .dist-info that tell of an installation, not of the wheel.
_OF_THE_INSTALLATION = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_TESTS = ("tests", "device_tests")
# What setup.py and its kin read beside the packages.
_BUILD_FILES = (".cfg", ".toml", ".md", ".py", ".in", ".txt")


def own_wheel(cache: Path) -> Path:
    """The wheel of the edgeguard that is running.

    :param cache: where it is kept, by the digest of what it was built from.
    :raises UsageError: it cannot be built.
    """
    checkout = _checkout()
    if checkout is None:
        return _put_together(cache, _installed())
    sources = dict(_sources(checkout))
    key = json_digest({name: file_digest(path) for name, path in sources.items()})[:16]
    return _kept(cache / key) or _built(cache / key, sources)


def _checkout() -> Path | None:
    """The directory that edgeguard runs from, unless it was installed: then its files may be others by now."""
    above = Path(edgeguard.__file__).parents[1]
    return above if (above / "setup.cfg").is_file() and (above / "pyproject.toml").is_file() else None


def _sources(checkout: Path) -> Iterator[tuple[str, Path]]:
    """Files that a wheel is built from: the packages, and what stands beside them."""
    for entry in sorted(checkout.iterdir()):
        if entry.is_file() and (entry.suffix in _BUILD_FILES or entry.name.startswith("LICENSE")):
            yield entry.name, entry
        elif (entry / "__init__.py").is_file() and entry.name not in _TESTS:
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
        return _wheel_of(Path(scratch, "source"), folder)


def _wheel_of(source: Path, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "-w", scratch, str(source)],
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


def _installed() -> dict[str, Path]:
    """Files of the installed distribution that its wheel had, by their names there."""
    files = metadata.distribution("edgeguard").files or ()
    kept = (file for file in files if ".." not in file.parts and "__pycache__" not in file.parts)
    return {str(file): Path(str(file.locate())) for file in kept if file.name not in _OF_THE_INSTALLATION}


def _put_together(cache: Path, files: Mapping[str, Path]) -> Path:
    """A wheel of installed files (the binary distribution format: pure Python, so they are the wheel's)."""
    info = next((name.partition("/")[0] for name in files if name.endswith(".dist-info/METADATA")), None)
    if info is None:
        raise UsageError("edgeguard's own wheel cannot be made: nothing tells which files it consists of", fix=_FIX)
    content = {name: path.read_bytes() for name, path in sorted(files.items())}
    lines = [f"{name},sha256={_record_digest(data)},{len(data)}\n" for name, data in content.items()]
    content[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in content.items():
            # Dated alike, that equal files give equal wheels.
            wheel.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"edgeguard-{__version__}-py3-none-any.whl"
    write_file(path, stream.getvalue())
    return path


def _record_digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _kept(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("edgeguard-*.whl"))), None)
