"""This machine as a device to deploy to: everything real but pip, which makes an environment out of the tests' own."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeguard import __version__
from edgeguard.artifact import open_artifact
from edgeguard.fleet.deploy import Deployment, deploy
from edgeguard.fleet.deploy_environment import given
from edgeguard.fleet.deploy_store import Place, artifact_content
from edgeguard.fleet.deploy_verify import complaint
from edgeguard.fleet.doctor import Facts, ask_before_deploy
from edgeguard.fleet.local import Local
from edgeguard.fleet.transport import Done, OnLine, Transport
from edgeguard.fleet.wheels import wheels_in

__all__ = [
    "NAME",
    "Board",
    "Silent",
    "Wrapped",
    "environment_of",
    "fake_wheels",
    "healthy_facts",
    "own_python_first",
    "version_of",
]

NAME = "model"

# Puts what the tests run with within reach of the new environment; fails where a wheel says so.
_PIP = f"""
import pathlib, sys, sysconfig
links = pathlib.Path(sys.argv[sys.argv.index("--find-links") + 1])
wanted = sys.argv[-1]
assert "--no-index" in sys.argv and sys.argv[-2] == "pip", sys.argv
assert wanted in ("edgeguard=={__version__}", "edgeguard[litert]=={__version__}"), sys.argv
if list(links.glob("broken-*.whl")):
    sys.exit("ERROR: No matching distribution found for numpy")
site = pathlib.Path(sysconfig.get_path("purelib"))
if not list(links.glob("empty-*.whl")):
    (site / "tests.pth").write_text("import site; site.addsitedir({sysconfig.get_path("purelib")!r})")
# What the tests run with has LiteRT, whether it was asked for or not.
if "litert" not in wanted:
    (site / "ai_edge_litert.py").write_text("raise ModuleNotFoundError('it was not installed')")
elif list(links.glob("unlit-*.whl")):
    (site / "ai_edge_litert.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
if list(links.glob("illegal-*.whl")):
    (site / "tests.pth").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
"""


class Silent:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.warnings: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass(frozen=True)
class Board:
    """A device with a home directory here.

    :param transport: the way to it.
    :param wheels: a directory of wheels, see :func:`fake_wheels`.
    """

    home: Path
    transport: Transport
    wheels: Path

    @property
    def place(self) -> Path:
        return self.home / "edgeguard/artifacts" / NAME

    def deploy(self, artifact: Path) -> Deployment:
        return deploy(
            self.transport,
            open_artifact(artifact),
            directory="edgeguard",
            wheels=given(wheels_in(self.wheels)),
            reporter=Silent(),
        )

    def through(self, transport: Transport) -> Board:
        return dataclasses.replace(self, transport=transport)

    def carrying(self, wheels: Path) -> Board:
        return dataclasses.replace(self, wheels=wheels)

    def answering(self) -> str | None:
        """The current version, after it has verified and answered its goldens in the current environment."""
        status = Place(Local(self.home), "edgeguard", f"artifacts/{NAME}").status()
        if status.current is not None:
            paths = ("edgeguard/env/current", f"edgeguard/artifacts/{NAME}/current")
            assert complaint(Local(self.home), *paths) is None
        return status.current


def environment_of(board: Board) -> str:
    return (board.home / "edgeguard/env/current").resolve().name


def version_of(artifact: Path) -> str:
    return artifact_content(open_artifact(artifact)).version


def fake_wheels(directory: Path, *more: str) -> Path:
    """Wheels of pip and edgeguard, and of others: ``broken`` cannot be installed, ``empty`` leaves nothing that can be
    imported, ``illegal`` ends Python by SIGILL, ``unlit`` only LiteRT, and any other makes a set of its own."""
    directory.mkdir(parents=True)
    for name in ("edgeguard", *more):
        with zipfile.ZipFile(directory / f"{name}-{__version__}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(zipfile.ZipInfo(f"{name}.txt"), name)
    with zipfile.ZipFile(directory / "pip-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(zipfile.ZipInfo("pip/__main__.py"), _PIP)
    return directory


def own_python_first() -> str:
    """``PATH`` with the tests' Python as ``python3``."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@functools.cache
def healthy_facts() -> Facts:
    """What the doctor finds on this machine; asked once, for it takes longer than all the rest of a deploy."""
    with tempfile.TemporaryDirectory() as home:
        return ask_before_deploy(Local(Path(home)), "edgeguard")


@dataclass(frozen=True)
class Wrapped:
    """A transport that may run another command, or send other bytes; the base of those that fail."""

    inner: Transport

    @property
    def name(self) -> str:
        return self.inner.name

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: OnLine | None = None,
    ) -> Done:
        return self.inner.run(self.instead(command), stdin=self.fed(stdin), timeout=timeout, on_line=on_line)

    def instead(self, command: Sequence[str]) -> Sequence[str]:
        """The command to run in the place of another."""
        return command

    def fed(self, stdin: Iterable[bytes]) -> Iterable[bytes]:
        """What is sent in the place of something else."""
        return stdin
