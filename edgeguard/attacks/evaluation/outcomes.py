"""Many cells on one kind of workers: what fails or kills its worker does not stop the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass

from edgeguard.attacks.evaluation.cell import Cell
from edgeguard.attacks.evaluation.executors import Workers
from edgeguard.attacks.evaluation.records import CellRecord
from edgeguard.errors import EdgeguardError

__all__ = ["Outcome", "outcomes"]

Task = Callable[[Cell], CellRecord]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell: a record, or what went wrong."""

    cell: Cell
    record: CellRecord | None = None
    error: str | None = None


def outcomes(cells: Sequence[Cell], task: Task, workers: Workers) -> Iterator[Outcome]:
    """Each cell's outcome, as they come.

    Where an executor breaks, the cells that it was running are tried again, one at a time: the one whose worker dies
    when it is alone is to blame, and given up.

    :param task: runs a cell; it is sent to workers, so that it must be importable there.
    """
    waiting, suspected = deque(cells), deque[Cell]()
    while waiting or suspected:
        alone = bool(suspected)
        with workers.opened() as executor:
            flight = _Flight(executor, task, suspected if alone else waiting, 1 if alone else workers.width)
            yield from flight.outcomes()
        if alone:
            yield from (Outcome(cell, error="its worker died, twice") for cell in flight.lost)
        else:
            suspected.extend(flight.lost)


class _Flight:
    """Cells on one executor, until all are done or it breaks.

    :param queue: emptied from the left.
    """

    def __init__(self, executor: Executor, task: Task, queue: deque[Cell], width: int) -> None:
        self._executor, self._task, self._queue, self._width = executor, task, queue, width
        self._flying: dict[Future[CellRecord], Cell] = {}
        self.lost: list[Cell] = []

    def outcomes(self) -> Iterator[Outcome]:
        self._fill()
        while self._flying:
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in done:
                cell = self._flying.pop(future)
                try:
                    yield Outcome(cell, future.result())
                except BrokenExecutor:
                    self.lost.append(cell)
                except EdgeguardError as error:
                    yield Outcome(cell, error=str(error))
                except Exception as error:  # whatever it is, the other cells are fine
                    yield Outcome(cell, error=f"{type(error).__name__}: {error}")
            self._fill()

    def _fill(self) -> None:
        while self._queue and not self.lost and len(self._flying) < self._width:
            cell = self._queue.popleft()
            try:
                self._flying[self._executor.submit(self._task, cell)] = cell
            except BrokenExecutor:
                self.lost.append(cell)
