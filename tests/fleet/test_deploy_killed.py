"""Deploys that die at any moment, on the device or here: the old version or the new one is current, and answers."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgeguard.errors import DeviceError
from tests.fleet.boards import Board, Wrapped, fake_wheels, version_of

SEED = 20_261_125
# Before the script, in the same process: the end comes at the so-many-th call that touches the file system.
_FUSE = """
import os, signal, sys
left = int(sys.argv.pop(1))
def watch(frame, event, called):
    global left
    if event.startswith("c_"):
        owner = type(getattr(called, "__self__", None)).__module__
        if getattr(called, "__module__", None) in ("posix", "fcntl", "io") or owner in ("posix", "fcntl", "_io"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
boot = sys.argv.pop(1)
sys.setprofile(watch)
exec(compile(boot, "boot", "exec"), {"__name__": "__main__"})
"""


@dataclass(frozen=True)
class _Dying(Wrapped):
    """Ends the so-many-th command on the device by SIGKILL; what is not a script ends before it begins."""

    command: int
    event: int
    commands: list[str] = field(default_factory=list)

    def instead(self, command: Sequence[str]) -> Sequence[str]:
        self.commands.append(command[0])
        if len(self.commands) == self.command:
            if command[0] == "python3":
                return ["python3", "-I", "-c", _FUSE, str(self.event), command[-1]]
            return ["sh", "-c", "kill -9 $$"]
        return command


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])
def test_killed_on_the_device_in_its_commands(
    used: Board, first: Path, second: Path, tmp_path: Path, step: int
) -> None:
    """A new environment and a new version, so that everything is moved; a command is killed early, or late."""
    old, new = version_of(first), version_of(second)
    seen = []
    for turn in itertools.count(1, step):
        board = used.carrying(fake_wheels(tmp_path / f"wheels-{turn}", f"other{turn}"))
        artifact, before, after = (second, old, new) if used.answering() == old else (first, new, old)
        dying = _Dying(used.transport, turn, 6 if turn % 2 else 24)
        with contextlib.suppress(DeviceError):
            board.through(dying).deploy(artifact)
        if len(dying.commands) < turn:
            break
        seen.append(used.answering())
        assert seen[-1] in (before, after)
        board.deploy(artifact)
        assert used.answering() == after
    assert turn > 15
    assert {old, new} == set(seen)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [6, pytest.param(24, marks=pytest.mark.long)])
def test_killed_here_at_random_moments(used: Board, first: Path, second: Path, kills: int) -> None:
    generator = random.Random(SEED)
    began = time.monotonic()
    used.deploy(second)
    usual = time.monotonic() - began
    old, new = version_of(second), version_of(first)
    artifacts = {old: second, new: first}
    died = 0
    for turn in range(kills):
        before = used.answering()
        assert before is not None
        after = new if before == old else old
        died += _killed(used, artifacts[after], generator.uniform(0, usual))
        assert used.answering() in (before, after), turn
        used.deploy(artifacts[after])
        assert used.answering() == after
    assert died >= kills - 2


def _killed(board: Board, artifact: Path, after: float) -> bool:
    """Whether a deploy in a process of its own was killed before it had ended."""
    child = os.fork()
    if child == 0:
        try:
            board.deploy(artifact)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
