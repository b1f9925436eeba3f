"""Several processes that write the same output at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from edgeguard.staging import staged_directory
from tests.core.crashing import exit_codes, in_child


def leftovers(folder: Path) -> list[str]:
    return [entry for entry in os.listdir(folder) if ".tmp-" in entry]


@pytest.mark.parametrize("round_", range(5))
def test_of_many_without_force_one_wins(tmp_path: Path, round_: int) -> None:
    final = tmp_path / f"final-{round_}"

    def act() -> None:
        with staged_directory(final, replace_existing=False) as content:
            (content / "file").write_text("content")
            time.sleep(0.05)

    assert exit_codes([in_child(act) for _ in range(6)]) == [0] + [40] * 5
    assert os.listdir(tmp_path) == [final.name]


def test_the_staging_of_the_living_is_left_alone(tmp_path: Path) -> None:
    """Also with a name that would be a pattern elsewhere, and removed once its owner is dead."""
    final = tmp_path / "model[1].edgeguard"
    ready, go = os.pipe(), os.pipe()

    def live() -> None:
        with staged_directory(final, replace_existing=True) as content:
            (content / "file").write_text("first")
            os.write(ready[1], b"x")
            os.read(go[0], 1)

    survivor = in_child(live)
    os.read(ready[0], 1)
    with staged_directory(final, replace_existing=True) as content:
        (content / "file").write_text("second")
    assert (final / "file").read_text() == "second"
    assert len(leftovers(tmp_path)) == 1
    os.write(go[1], b"x")
    assert exit_codes([survivor]) == [0]
    assert (final / "file").read_text() == "first"
    assert leftovers(tmp_path) == []

    victim = in_child(live)
    os.read(ready[0], 1)
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    assert len(leftovers(tmp_path)) == 1
    with staged_directory(final, replace_existing=True):
        assert len(leftovers(tmp_path)) == 1
    assert leftovers(tmp_path) == []
