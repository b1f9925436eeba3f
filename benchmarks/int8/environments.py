"""A virtual environment for each quantizer: no two of them agree on what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.int8.registry import Peer

__all__ = ["CannotInstall", "environment", "versions"]

ROOT = Path(__file__).resolve().parents[2]
_READY = "ready"


class CannotInstall(Exception):
    """Why a quantizer could not be installed."""


def environment(peer: Peer, work: Path) -> Path:
    """The Python that has a quantizer; its environment is made on the first call.

    :raises CannotInstall: with pip's last word.
    """
    if not peer.packages:
        return Path(sys.executable)
    place = work / "environments" / peer.name
    python = place / "bin" / "python"
    if (place / _READY).exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    # Of torch the version that this project is pinned to, and from then on no other: a CUDA build is 6 GB.
    torch = _pinned("torch")
    if "torch" in peer.packages:
        _install(python, [torch])
    limits = place / "constraints.txt"
    limits.write_text(f"{torch}\n")
    _install(python, ["-c", str(limits), *peer.packages])
    (place / _READY).touch()
    return python


def versions(peer: Peer, python: Path) -> tuple[str, ...]:
    """``name version`` of what a quantizer's environment was asked to have."""
    asked = "import sys; from importlib.metadata import version as v; [print(p, v(p)) for p in sys.argv[1:]]"
    packages = peer.packages or ("onnx", "onnxruntime")
    said = subprocess.run([str(python), "-c", asked, *packages], capture_output=True, text=True, check=True)
    return tuple(said.stdout.splitlines())


def _pinned(package: str) -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def _install(python: Path, arguments: list[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotInstall(done.stderr.strip().splitlines()[-1])
