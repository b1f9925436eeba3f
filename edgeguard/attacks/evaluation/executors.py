"""Where cells run: processes of this machine, or the workers of a Dask cluster. Each is an ``Executor`` and no more."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeguard.attacks.evaluation.cell import Cell
from edgeguard.attacks.evaluation.records import CellRecord
from edgeguard.errors import UsageError
from edgeguard.extras import require

__all__ = ["Workers", "cluster", "local", "work"]

_SECONDS_TO_CONNECT = 10


@dataclass(frozen=True, slots=True)
class Workers:
    """Executors of one kind.

    :param opened: a new one; another one is asked for when it broke.
    :param width: cells that it runs at once.
    """

    opened: Callable[[], AbstractContextManager[Executor]]
    width: int


def work(cell: Cell, cache_root: Path) -> CellRecord:
    """What a worker does: run a cell on one core."""
    import torch

    from edgeguard.attacks.evaluation.run import run_cell

    torch.set_num_threads(1)
    return run_cell(cell, cache_root)


def local(jobs: int) -> Workers:
    """So many processes of this machine."""
    return Workers(lambda: _processes(jobs), jobs)


def cluster(address: str) -> Workers:
    """All workers of a Dask scheduler. They need this edgeguard, and to find grid, images and cache at the same paths.

    :raises MissingExtra: dask.distributed is not installed.
    :raises UsageError: no scheduler answers there, it has no workers, or one of them runs cells in several threads.
    """
    distributed = require("distributed", "cluster")
    try:
        client = distributed.Client(address, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise UsageError(f"no scheduler answers: {error}", where=address, fix="Start one: dask scheduler") from None
    with client:
        threads = client.nthreads()
    if not threads:
        raise UsageError("the scheduler has no workers", where=address, fix=f"dask worker {address} --nthreads 1")
    if max(threads.values()) > 1:
        raise UsageError(
            f"a worker has {max(threads.values())} threads, and torch draws from one generator for all of them",
            where=address,
            fix="Start workers with --nthreads 1, and more of them with --nworkers",
        )
    return Workers(lambda: _dask(address), len(threads))


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin)
    try:
        yield pool
    except BaseException:
        # Nobody waits for what they were doing: it is cached, or done again.
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    pool.shutdown()


def _begin() -> None:
    """A worker dies of an interrupt without a word, and with its parent, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    distributed = require("distributed", "cluster")
    with distributed.Client(address, timeout=_SECONDS_TO_CONNECT) as client, client.get_executor(pure=False) as pool:
        yield pool
