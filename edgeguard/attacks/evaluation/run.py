"""One cell from beginning to end."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import Cell
from edgeguard.attacks.evaluation.clones import CachedTrainer
from edgeguard.attacks.evaluation.machine import machine, versions
from edgeguard.attacks.evaluation.records import CellRecord
from edgeguard.attacks.evaluation.theft import stolen
from edgeguard.attacks.evaluation.victims import plain, respondent
from edgeguard.attacks.images import pool_of, test_images
from edgeguard.attacks.metrics import theft, utility
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.training import predict, train

__all__ = ["run_cell"]


def run_cell(cell: Cell, cache_root: Path) -> CellRecord:
    """What comes of a cell. Its figures depend on the cell alone: neither on the cache nor on who runs it where.

    :param cache_root: what is remembered between cells; a directory, made if it is missing.
    :returns: its record, without the command.
    :raises EdgeguardError: the victim, its images or the attack cannot be used.
    """
    started = time.perf_counter()
    store = Store(cache_root)
    asked, owned = respondent(cell, store), plain(cell, store)
    inputs, labels = test_images(cell.test.path, asked.box, owned.classes)
    answers, posteriors = asked.answers(inputs, store), owned.answers(inputs, store)
    thief = Thief(cell.student, cell.recipe, CachedTrainer(store, train), asked.knowledge, cell.seed)
    pool = None if cell.pool is None else pool_of(cell.pool.data.path, asked.box, cell.pool.limit)
    clone, exposed = stolen(cell, asked, pool, thief, lambda images: owned.answers(images, store))
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
        utility=utility(answers, posteriors, labels),
        exposure=exposed,
        theft=theft(predict(clone, inputs), answers, labels),
        seconds=round(time.perf_counter() - started, 2),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        machine=machine(),
        versions=versions(),
        command="",
    )
