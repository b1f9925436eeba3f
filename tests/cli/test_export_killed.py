"""A real export, killed at random times: the old artifact, or the complete new one, or none if none existed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeguard.artifact import lab_directory, open_artifact
from edgeguard.digests import file_digest
from tests.artifacts import SIZE, random_images, random_network

# Exports that are killed, of which some must die before the switch and some after it.
FEW, MANY = 15, 50
SEED = 20_261_124


class Case:
    """A model, its calibration set, and the command that exports it within a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.output = folder / "model.edgeguard"
        self.old = folder / "old"
        self.seconds: dict[bool, float] = {}
        (folder / "model.onnx").write_bytes(random_network().SerializeToString())
        np.savez(folder / "calibration.npz", x=random_images(64, size=SIZE))

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "edgeguard.cli", "export", self.folder / "model.onnx", "--int8", "--defend"]
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        return subprocess.Popen(
            [*map(str, command), "--force"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def killed(self, share: float, *, writing: bool) -> bool:
        """Whether the export was killed; otherwise it had ended before.

        :param share: of its usual duration, or of what it usually takes from the announcement that it writes.
        """
        with self.start() as process:
            if writing:
                _wait_for_writing(process)
            time.sleep(share * self.seconds[writing])
            process.kill()
            process.communicate()
            assert process.returncode in (0, -signal.SIGKILL)
            if process.returncode == 0:
                # The machine has less to do than when the run was timed.
                self.seconds[writing] *= 0.95
            return process.returncode != 0

    def kill_while_staged(self) -> None:
        """Kill an export the moment that its staging directory appears, again if it was too quick."""
        for _ in range(MANY):
            self.restore()
            for stale in self.folder.glob(f".{self.output.name}.tmp-*"):
                shutil.rmtree(stale)
            with self.start() as process:
                while process.poll() is None and not self._staged():
                    pass
                process.kill()
                process.communicate()
            if self._staged():
                return
        raise AssertionError(f"no export of {MANY} was caught while it wrote")

    def _staged(self) -> bool:
        return any(name.startswith(f".{self.output.name}.tmp-") for name in os.listdir(self.folder))

    def measure(self) -> None:
        """Time an undisturbed export."""
        began = time.monotonic()
        with self.start() as process:
            _wait_for_writing(process)
            announced = time.monotonic()
            process.communicate()
            assert process.returncode == 0
        ended = time.monotonic()
        self.seconds = {False: ended - began, True: ended - announced}

    def restore(self) -> None:
        """Put the old artifact back, if there was one; what killed exports left stays."""
        shutil.rmtree(self.output, ignore_errors=True)
        if self.old.is_dir():
            shutil.copytree(self.old, self.output)

    def state(self) -> str | None:
        """Which artifact stands there, every file of it verified."""
        if not os.path.lexists(self.output):
            return None
        return file_digest(open_artifact(self.output).path / "manifest.json")

    def leftovers(self) -> list[str]:
        return [
            name for name in (*os.listdir(self.folder), *os.listdir(self.temporary)) if name not in self._expected()
        ]

    def _expected(self) -> set[str]:
        lab = lab_directory(self.output).name
        # .ses is ONNX Runtime's own.
        return {".ses", "model.onnx", "calibration.npz", "calibration.table.json", "tmp", self.output.name, lab, "old"}


def exported(case: Case, *options: str) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "edgeguard.cli",
            "export",
            str(case.folder / "model.onnx"),
            "--defend",
            "--force",
            *options,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(case.temporary)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    state = case.state()
    assert state is not None
    return state


def _wait_for_writing(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert any(line.startswith("writing ") for line in process.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
def test_killed_at_random_times(tmp_path: Path, kills: int) -> None:
    """Two exports at once, one over an old artifact, one where nothing stood before."""
    over, fresh = Case(tmp_path / "over"), Case(tmp_path / "fresh")
    # Another target: an artifact that the export would not write itself.
    old = exported(over, "--target", "rpi4")
    shutil.copytree(over.output, over.old)
    new = [exported(case, "--int8") for case in (over, fresh)]
    assert old not in new
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(_kill, (over, fresh), (old, None), new, (SEED, SEED + 1), (kills, kills)))
    for case, earlier, expected, states in zip((over, fresh), (old, None), new, found, strict=True):
        # Some died before it, some after it.
        assert set(states) == {earlier, expected}
        # Random times seldom fall into the few milliseconds in which a staging directory stands: one more is aimed.
        case.kill_while_staged()
        assert case.state() in (earlier, expected)
        assert case.leftovers() != []
        assert exported(case, "--int8") == expected
        assert case.leftovers() == []


def _kill(case: Case, old: str | None, new: str, seed: int, kills: int) -> list[str | None]:
    """The states that the kills left."""
    generator = random.Random(seed)
    states: list[str | None] = []
    case.measure()
    while len(states) < kills:
        case.restore()
        # Half of them anywhere, half of them into what writes.
        died = case.killed(generator.uniform(0, 1), writing=len(states) % 2 == 1)
        state = case.state()
        assert state in ((old, new) if died else (new,))
        if died:
            states.append(state)
    return states
