from __future__ import annotations

import contextlib
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from edgeguard.attacks.evaluation.executors import Workers, cluster, local
from edgeguard.attacks.evaluation.forecast import Forecast, duration
from edgeguard.attacks.evaluation.outcomes import outcomes
from edgeguard.errors import UsageError
from tests.attacks.evaluation.grids import GRID, written_cells
from tests.attacks.evaluation.tasks import fail_at_decoys, kill_at_decoys

MANY = GRID.replace("seeds = [0]", "seeds = [0, 1, 2]")


def test_a_cell_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    cells = written_cells(tmp_path)
    threads = Workers(lambda: ThreadPoolExecutor(2), 2)
    found = {
        outcome.cell.name.defense + outcome.cell.name.attack: outcome
        for outcome in outcomes(cells, fail_at_decoys, threads)
    }
    assert len(found) == len(cells)
    assert found["decoynaive"].error == "thief.npz: holds no images"
    assert found["decoytop-1"].error == "KeyError: 'bug'"
    assert [found[f"undefended{attack}"].error for attack in ("naive", "top-1")] == [None, None]


def test_no_more_cells_are_handed_out_than_can_run(tmp_path: Path) -> None:
    handed = []

    class Counting(ThreadPoolExecutor):
        def submit(self, *call, **named):  # type: ignore[no-untyped-def]
            handed.append(call)
            return super().submit(*call, **named)

    made = outcomes(written_cells(tmp_path), fail_at_decoys, Workers(lambda: Counting(1), 1))
    next(made)
    assert len(handed) == 1
    made.close()


def test_a_worker_that_dies_loses_only_the_cell_that_killed_it(tmp_path: Path) -> None:
    cells = written_cells(tmp_path, MANY)
    found = {outcome.cell: outcome for outcome in outcomes(cells, kill_at_decoys, local(2))}
    assert set(found) == set(cells)
    for cell in cells:
        killer = (cell.defense.name, cell.attack.name) == ("decoy", "naive")
        assert (found[cell].error == "its worker died, twice") is killer
        assert (found[cell].record is None) is killer


def test_an_executor_that_takes_nothing_does_not_hang_the_run(tmp_path: Path) -> None:
    @contextlib.contextmanager
    def broken():  # type: ignore[no-untyped-def]
        with ThreadPoolExecutor(1, initializer=_cannot_begin) as pool:
            yield pool

    cells = written_cells(tmp_path)
    found = list(outcomes(cells, kill_at_decoys, Workers(broken, 2)))
    assert {outcome.cell for outcome in found} == set(cells)
    assert {outcome.error for outcome in found} == {"its worker died, twice"}


def _cannot_begin() -> None:
    raise OSError("no")


def test_executors_are_nothing_but_executors() -> None:
    with local(1).opened() as pool:
        assert isinstance(pool, Executor)


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeguard.attacks.evaluation.executors._SECONDS_TO_CONNECT", 0.2)
    with pytest.raises(UsageError, match="no scheduler answers"):
        cluster("tcp://127.0.0.1:1")


def test_the_time_left_is_judged_by_attack_and_student(tmp_path: Path) -> None:
    cells = written_cells(tmp_path)
    naive = [cell for cell in cells if cell.attack.name == "naive"]
    top_1 = [cell for cell in cells if cell.attack.name == "top-1"]
    forecast = Forecast()
    assert forecast.left(cells, 1) is None
    forecast.add(naive[0], 10)
    assert forecast.left(cells, 2) == 20
    forecast.add(top_1[0], 30)
    forecast.add(top_1[0], 50)
    assert forecast.left([naive[1], top_1[1]], 1) == 50


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5340, "89 min"), (5400, "1 h 30 min"), (11100, "3 h 05 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, told: str) -> None:
    assert duration(seconds) == told
