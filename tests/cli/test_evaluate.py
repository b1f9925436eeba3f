"""``edgeguard evaluate``, in real processes; also over a real Dask scheduler and its workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from edgeguard.attacks.evaluation.records import RECORDS, CellRecord, read_records
from tests.attacks.evaluation.grids import GRID, write_grid
from tests.cli.inprocess import Here

_PATIENCE = 120


def evaluate(grid: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "edgeguard.cli", "evaluate", str(grid), *options]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)


def wait_until(happened, what: str) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, subprocess.CompletedProcess[str]]:
    """A grid whose first run was killed after a cell, in the middle of writing another, and whose second ended.

    Its path, what the first run left, and the second.
    """
    directory = tmp_path_factory.mktemp("grid")
    grid, out = write_grid(directory), directory / "out"
    with subprocess.Popen(evaluate(grid, "-o", str(out), "--jobs", "1"), stderr=subprocess.DEVNULL) as first:
        wait_until(lambda: (out / RECORDS).is_file() and (out / RECORDS).read_bytes(), "no cell was recorded")
        workers = psutil.Process(first.pid).children(recursive=True)
        first.kill()
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    left = (out / RECORDS).read_bytes()
    with (out / RECORDS).open("ab") as stream:
        stream.write(left[:50])
    return grid, left, run(*evaluate(grid, "-o", str(out), "--jobs", "1", "--json"))


def test_a_killed_run_goes_on_and_repeats_nothing(
    resumed: tuple[Path, bytes, subprocess.CompletedProcess[str]],
) -> None:
    grid, left, second = resumed
    assert second.returncode == 0, second.stderr
    before = left.count(b"\n")
    assert 1 <= before < 4
    assert f"4 cells, {before} of them done before" in second.stderr
    assert (grid.parent / "out" / RECORDS).read_bytes().startswith(left)
    records = read_records(grid.parent / "out")
    assert len(records) == len({record.digest for record in records}) == 4
    for name in ("report.html", "cells.csv", "report.md"):
        assert (grid.parent / "out" / name).stat().st_size
    told = json.loads(second.stdout)
    assert told["failed"] == []
    assert [entry["digest"] for entry in told["records"]] == sorted(
        (record.digest for record in records),
        key=lambda digest: [
            (record.defense != "undefended", record.attack) for record in records if record.digest == digest
        ],
    )


def test_records_hold_what_was_measured(resumed: tuple[Path, bytes, subprocess.CompletedProcess[str]]) -> None:
    records = {(record.defense, record.attack): record for record in read_records(resumed[0].parent / "out")}
    assert set(records) == {(defense, attack) for defense in ("undefended", "decoy") for attack in ("naive", "top-1")}
    plain, decoy = records["undefended", "naive"], records["decoy", "naive"]
    assert plain.utility.l1 == plain.utility.flips == 0
    # Labels are what the float network says, and int8 seldom changes that.
    assert plain.utility.accuracy == plain.utility.undefended > 0.9
    assert decoy.utility.l1 > 0.1
    assert decoy.utility.undefended == plain.utility.undefended
    assert decoy.exposure is not None
    assert plain.exposure is not None
    assert plain.exposure.queries == plain.exposure.images == decoy.exposure.queries == 60
    assert decoy.exposure.distinct < plain.exposure.distinct == 60
    assert plain.exposure.l1 == plain.exposure.l1_read == 0
    for record in records.values():
        assert (record.grid, record.victim, record.pool, record.student) == ("tiny", "int8", "thief", "lenet")
        assert record.command == "edgeguard evaluate grid.toml --jobs 1"
        assert 0 <= record.theft.accuracy <= 1
        assert {"edgeguard", "torch", "onnxruntime", "numpy"} == set(record.versions)
        assert "core" in record.machine
        # A name alone has stood for processors of which one trained ten times as fast as the other.
        assert set(record.machine.split()) & {"avx2", "asimd"}


def test_what_is_done_is_listed_and_nothing_is_run_again(
    resumed: tuple[Path, bytes, subprocess.CompletedProcess[str]], here: Here
) -> None:
    grid = resumed[0]
    out = grid.parent / "out"
    before = (out / RECORDS).read_bytes()
    listed = here("evaluate", str(grid), "-o", str(out), "--dry-run", "--only", "defense=decoy").out
    assert listed.splitlines()[-1] == "2 of 2 cells are done"
    assert here("evaluate", str(grid), "-o", str(out)).code == 0
    assert (out / RECORDS).read_bytes() == before
    grid_of_more = grid.with_name("more.toml")
    grid_of_more.write_text(GRID.replace("seeds = [0]", "seeds = [0, 1]"))
    rows = json.loads(here("evaluate", str(grid_of_more), "-o", str(out), "--dry-run", "--json").out)
    assert [(row["seed"], row["done"]) for row in rows] == [(0, True)] * 4 + [(1, False)] * 4


def test_a_slow_way_of_training_is_told_once(
    resumed: tuple[Path, bytes, subprocess.CompletedProcess[str]], here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = resumed[0]
    monkeypatch.setattr("edgeguard.attacks.training.slow_here", lambda recipe: f"{recipe.batch} is slow here")
    again = here("evaluate", str(grid), "-o", str(grid.parent / "out"))
    assert (again.code, "slow here" in again.err) == (0, False)
    cache = str(grid.parent / "out" / "cache")
    anew = here("evaluate", str(grid), "-o", str(grid.parent / "slow"), "--cache", cache, "--jobs", "1")
    assert (anew.code, anew.err.count("slow here")) == (0, 1)


def test_a_cell_that_fails_is_named_and_the_others_are_recorded(
    resumed: tuple[Path, bytes, subprocess.CompletedProcess[str]],
) -> None:
    grid = resumed[0]
    path = grid.with_name("failing.toml")
    # Without images to tune on, a budget cannot be kept; what the other cells need is in the cache.
    path.write_text(
        GRID.replace('data = "thief.npz"', 'data = "thief.npz"\n[pools.few]\ndata = "thief.npz"\nlimit = 40')
    )
    out = grid.parent / "failing"
    cache = str(grid.parent / "out" / "cache")
    options = ("-o", str(out), "--cache", cache, "--jobs", "1", "--only", "defense=undefended,attack=naive")
    failed = run(*evaluate(path, *options))
    assert failed.returncode == 1
    assert "failed: 1 of 2 cells" in failed.stderr
    assert "int8 undefended few naive lenet seed 0: 60 queries of 1 an image ask for 60 images" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert [record.pool for record in read_records(out)] == ["thief"]


@contextlib.contextmanager
def dask_cluster(directory: Path, count: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real scheduler and real workers, each in a process of its own: the scheduler's address, and the workers."""
    file = directory / "scheduler.json"
    dask = (sys.executable, "-m", "distributed.cli")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": directory}
    local = ("--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}
    started = []
    try:
        started.append(subprocess.Popen([*dask[:2], f"{dask[2]}.dask_scheduler", *local, "--port", "0"], **quiet))
        # It is written in place, and may be read half.
        wait_until(lambda: file.is_file() and file.read_bytes().rstrip().endswith(b"}"), "no scheduler came up")
        for _ in range(count):
            command = [*dask[:2], f"{dask[2]}.dask_worker", *local, "--nthreads", "1", "--no-nanny"]
            started.append(subprocess.Popen(command, env=environment, **quiet))
        yield json.loads(file.read_text())["address"], started[1:]
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_records(
    resumed: tuple[Path, bytes, subprocess.CompletedProcess[str]], tmp_path: Path, here: Here
) -> None:
    from distributed import Client

    grid, out = resumed[0], tmp_path / "out"
    with dask_cluster(tmp_path, 2) as (address, workers), ThreadPoolExecutor(1) as beside:
        with Client(address, timeout=_PATIENCE) as client:
            client.wait_for_workers(2, timeout=_PATIENCE)

        def lose_one() -> None:
            wait_until(lambda: (out / RECORDS).is_file() and (out / RECORDS).read_bytes(), "no cell was recorded")
            workers[0].kill()

        lost = beside.submit(lose_one)
        done = here("evaluate", str(grid), "-o", str(out), "--scheduler", address)
        lost.result()
    assert done.code == 0, done.err
    assert figures(read_records(out)) == figures(read_records(grid.parent / "out"))


def figures(records: list[CellRecord]) -> dict[str, CellRecord]:
    """Records by digest, without what depends on when and by whom they were made."""
    return {record.digest: replace(record, seconds=0, date="", command="") for record in records}
