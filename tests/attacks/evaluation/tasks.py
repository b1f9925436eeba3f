"""What workers of tests do: they are other processes, and import it from here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import Cell
from edgeguard.attacks.evaluation.records import CellRecord
from edgeguard.attacks.metrics import Theft, Utility
from edgeguard.errors import BadData

__all__ = ["entered", "fail_at_decoys", "kill_at_decoys", "record_of"]


def record_of(cell: Cell) -> CellRecord:
    """A record with made-up figures."""
    named = cell.name
    return CellRecord(
        digest=cell.digest,
        grid=cell.grid,
        victim=named.victim,
        defense=named.defense,
        pool=named.pool,
        attack=named.attack,
        student=named.student,
        seed=cell.seed,
        queries=cell.queries,
        utility=Utility(100, 0.9, 0.91, 0.01, 0.25, 0.03, 0.04),
        exposure=None,
        theft=Theft(0.5, 0.55),
        seconds=1.5,
        date="2026-01-02 03:04",
        machine="a machine",
        versions={"edgeguard": "1"},
        command="",
    )


def fail_at_decoys(cell: Cell) -> CellRecord:
    """Refuse the images of one kind of cells."""
    if cell.defense.name == "decoy":
        raise BadData("holds no images", where="thief.npz") if cell.attack.name == "naive" else KeyError("bug")
    return record_of(cell)


def kill_at_decoys(cell: Cell) -> CellRecord:
    """Die as a worker dies that the kernel kills for its memory."""
    if cell.defense.name == "decoy" and cell.attack.name == "naive":
        os.kill(os.getpid(), signal.SIGKILL)
    return record_of(cell)


def entered(root: Path, log: Path) -> bytes:
    """Ask a store for an entry that takes a while to make; every making is written down."""

    def make(place: Path) -> None:
        with log.open("a") as stream:
            stream.write("made\n")
        place.write_bytes(b"half")
        time.sleep(0.2)
        place.write_bytes(b"whole")

    return Store(root).entry("kind", "ab" * 32, make).read_bytes()
