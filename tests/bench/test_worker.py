"""Real worker processes: what they time, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from edgeguard.artifact import open_artifact
from edgeguard.bench import processes, timing
from edgeguard.bench.demand_messages import SustainRequest
from edgeguard.bench.messages import ColdRequest, Subject, TimeRequest, to_json
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.timing import Prepared, delayed, prepare, turn
from edgeguard.bench.variants import choose_variants
from edgeguard.errors import BadModel, EdgeguardError, InvalidMeasurement
from edgeguard.runtimes import load
from tests.artifacts import make_artifact


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("worker"), placement="host", head="int8")


@pytest.fixture(scope="module")
def subjects(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    found = choose_variants(open_artifact(artifact), tmp_path_factory.mktemp("scratch")).subjects
    return {subject.name: subject for subject in found}


def request(*subjects: Subject, **changes: Any) -> TimeRequest:
    names = tuple(subject.name for subject in subjects)
    plain = TimeRequest(subjects, names, (names, names[::-1]), 5, 1, 1.0, 0.0, 1, True)
    return replace(plain, **changes)


def test_every_block_holds_every_run_in_the_order_asked_for(subjects: dict[str, Subject]) -> None:
    asked = request(subjects["int8"], subjects["defended"], subjects["end-to-end"])
    answer = ask_worker(asked, timeout=60)
    assert tuple(block.order for block in answer.blocks) == asked.orders
    for block in answer.blocks:
        assert tuple(block.samples_ns) == block.order
        assert all(len(values) == 5 and min(values) > 0 for values in block.samples_ns.values())
    total = sum(value for block in answer.blocks for values in block.samples_ns.values() for value in values)
    assert total / 1e9 < answer.window.seconds < 30


def test_a_cold_start_tells_loading_from_running(subjects: dict[str, Subject]) -> None:
    answer = ask_worker(ColdRequest(subjects["defended"], 4, 1000.0, 1, True), timeout=60)
    assert len(answer.warm_ns) == 4
    assert answer.load_ns > 100_000  # no session is ready in less
    assert answer.first_ns > median(answer.warm_ns) > 0
    # an interpreter with numpy and ONNX Runtime takes tens of MiB, this model next to nothing
    assert 20_000 < answer.baseline_kib <= answer.peak_kib < answer.baseline_kib + 50_000


def test_memory_does_not_start_from_what_the_parent_used(subjects: dict[str, Subject]) -> None:
    ballast = np.ones(30_000_000)  # 240 MB, which getrusage would hand down
    answer = ask_worker(ColdRequest(subjects["int8"], 1, 1.0, 1, True), timeout=60)
    assert answer.peak_kib < ballast.nbytes / 1024 / 2


def test_memory_that_was_given_back_still_counts() -> None:
    code = (
        "import numpy as np; from edgeguard.bench.worker import _high_water_kib as high\n"
        "before = high(); values = np.ones(12_500_000); del values; print(high() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 90_000


def test_what_is_timed_gives_the_artifacts_answers(artifact: Path, subjects: dict[str, Subject]) -> None:
    defended = prepare(subjects["defended"], threads=1, spinning=True)
    inputs = np.load(subjects["defended"].inputs)
    expected = load(artifact).answer(inputs[0])
    assert np.array_equal(defended.call(defended.feeds[0]), expected)
    plain = prepare(subjects["int8"], threads=1, spinning=True)
    (posterior,) = plain.call(plain.feeds[0])
    assert posterior.shape == expected.shape
    assert posterior.sum() == pytest.approx(1, abs=1e-5)


def test_end_to_end_goes_from_pixels_to_the_answer(artifact: Path, subjects: dict[str, Subject]) -> None:
    whole = prepare(subjects["end-to-end"], threads=1, spinning=True)
    images = np.load(subjects["end-to-end"].inputs)
    assert np.array_equal(whole.call(whole.feeds[1]), load(artifact).predict([images[1]]))


def test_untimed_runs_come_first_and_inputs_go_round() -> None:
    seen: list[int] = []
    samples = turn(Prepared(seen.append, [0, 1, 2]), 1, settle=2, runs=3)
    assert seen == [1, 2, 0, 1, 2]
    assert len(samples) == 3


def test_a_delay_is_as_long_as_its_share() -> None:
    slower = delayed(Prepared(lambda _: None, [0]), 0.5, [8_000_000, 2_000_000, 4_000_000])
    begin = time.perf_counter_ns()
    slower.call(0)
    assert time.perf_counter_ns() - begin >= 2_000_000


def test_a_delay_reaches_the_samples(subjects: dict[str, Subject]) -> None:
    slow = replace(subjects["int8"], name="slow", delay=3.0)
    answer = ask_worker(request(subjects["int8"], slow, warmup_ms=20.0), timeout=60)
    plain, slowed = (
        median(value for block in answer.blocks for value in block.samples_ns[name]) for name in ("int8", "slow")
    )
    assert slowed > 2 * plain


def test_garbage_is_not_collected_while_timing() -> None:
    import gc

    with timing.undisturbed():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_model_that_cannot_be_loaded_is_named(subjects: dict[str, Subject], tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    with pytest.raises(BadModel, match=r"bad\.onnx"):
        ask_worker(request(replace(subjects["int8"], path=str(bad))), timeout=60)


def test_a_worker_that_fails_in_another_way_says_its_last_line(subjects: dict[str, Subject]) -> None:
    with pytest.raises(EdgeguardError, match=r"No such file.*none\.npy"):
        ask_worker(request(replace(subjects["int8"], inputs="/nowhere/none.npy")), timeout=60)


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a shell script in the place of the interpreter that runs workers."""

    def install(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(processes.sys, "executable", str(path))

    return install


def test_a_model_that_kills_its_process_is_refused(subjects: dict[str, Subject], impostor: Any) -> None:
    impostor(f"kill -{int(signal.SIGILL)} $$")
    with pytest.raises(BadModel, match="SIGILL") as caught:
        ask_worker(request(subjects["int8"]), timeout=60)
    assert caught.value.where == subjects["int8"].path


def test_the_time_is_told_while_a_process_works(subjects: dict[str, Subject], impostor: Any) -> None:
    impostor("cat > /dev/null; sleep 2.5; exit 3")
    told: list[float] = []
    with pytest.raises(EdgeguardError, match="it said nothing"):
        ask_worker(SustainRequest(subjects["int8"], 5.0, 1.0, 1.0, 1, True), timeout=60, tick=told.append)
    assert len(told) == 2
    assert told == pytest.approx([1, 2], abs=0.5)


def test_a_process_that_hangs_is_ended(subjects: dict[str, Subject], impostor: Any) -> None:
    impostor("exec sleep 30")
    with pytest.raises(InvalidMeasurement, match="within 1 seconds"):
        ask_worker(request(subjects["int8"]), timeout=1)


def test_what_a_library_prints_does_not_spoil_the_answer(subjects: dict[str, Subject], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import atexit, os\natexit.register(lambda: os.write(1, b'noise'))\n")
    done = subprocess.run(
        [sys.executable, "-m", "edgeguard.bench.worker"],
        input=to_json(request(subjects["int8"])),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
    )
    assert json.loads(done.stdout)["type"] == "TimeAnswer"
    assert "noise" in done.stderr


def test_a_worker_starts_without_pydantic_and_torch() -> None:
    code = "import sys, edgeguard.bench.worker; print(sorted({'pydantic', 'torch', 'onnx', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
