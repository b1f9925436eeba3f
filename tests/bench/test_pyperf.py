"""Files of pyperf: ours as its own program reads them, its own as we do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from edgeguard.bench.compare import compare
from edgeguard.bench.pyperf_read import read_pyperf
from edgeguard.bench.pyperf_write import write_pyperf
from edgeguard.bench.result import Result
from edgeguard.bench.verdict import Verdict
from edgeguard.errors import BadData, InvalidMeasurement, UsageError
from tests.bench.comparable import TIMES, made_up_measurement

RESULT = made_up_measurement(1)


def pyperf(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pyperf", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(path: Path, result: Result = RESULT) -> Path:
    path.write_bytes(write_pyperf(result))
    return path


def suite(*benchmarks: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"version": "1.0", "benchmarks": list(benchmarks), "metadata": {}, **top}


def benchmark(*runs: list[float], **metadata: Any) -> dict[str, Any]:
    return {"runs": [{"values": run} for run in runs], "metadata": {"name": "b", **metadata}}


def put(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_pyperf_shows_every_variant_with_its_mean(tmp_path: Path) -> None:
    shown = pyperf("show", "--quiet", written(tmp_path / "r.json"))
    for name in TIMES:
        samples = [value for one in RESULT.processes for block in one.blocks for value in block.samples_ns[name]]
        found = re.search(rf"^{name}: Mean \+- std dev: ([0-9.]+) (us|ms)", shown, re.MULTILINE)
        assert found, shown
        microseconds = float(found.group(1)) * {"us": 1, "ms": 1000}[found.group(2)]
        assert microseconds == pytest.approx(fmean(samples) / 1e3, rel=0.01)


def test_pyperf_counts_processes_and_values_and_no_warmups(tmp_path: Path) -> None:
    stats = pyperf("stats", written(tmp_path / "r.json"))
    assert stats.count("Total number of values: 240") == len(TIMES)
    for line in ("Number of run with values: 10", "Number of value per run: 24", "Number of warmup per run: 0"):
        assert stats.count(line) == len(TIMES), stats
    assert "Loop iterations per value: 1" in stats
    assert "Start date: 2026-01-01 00:00:00" in stats


def test_pyperf_knows_the_machine_but_not_its_name(tmp_path: Path) -> None:
    shown = pyperf("metadata", written(tmp_path / "r.json"))
    for line in (
        "cpu_model_name: Cortex-A72",
        "cpu_count: 4",
        "platform: Linux-6.12-aarch64",
        "onnxruntime_version: 1.32.0",
        "edgeguard_board: Pi 4",
        "edgeguard_governor: ondemand",
        "edgeguard_verdict: valid",
    ):
        assert f"- {line}\n" in shown
    assert "hostname" not in shown


def test_pyperf_compares_two_of_ours(tmp_path: Path) -> None:
    slower = made_up_measurement(2, times={**TIMES, "defended": 1020.0})
    found = pyperf("compare_to", written(tmp_path / "a.json"), written(tmp_path / "b.json", slower), "--table")
    (line,) = [line for line in found.splitlines() if line.startswith("| defended ")]
    assert re.search(r"(2\.0\d|1\.9\d)x slower", line)


def test_pyperf_writes_the_same_file_from_what_it_read(tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    pyperf("convert", written(tmp_path / "r.json"), "-o", again)
    ours, theirs = read_pyperf(tmp_path / "r.json"), read_pyperf(again)
    assert replace(theirs, where="") == replace(ours, where="")


def test_reading_our_own_keeps_values_and_conditions(tmp_path: Path) -> None:
    found = read_pyperf(written(tmp_path / "r.json"))
    assert {one.name for one in found.series} == set(TIMES)
    (int8,) = [one for one in found.series if one.name == "int8"]
    assert int8.quantity == "time"
    assert list(int8.values) == pytest.approx(
        [median(v for block in one.blocks for v in block.samples_ns["int8"]) / 1e9 for one in RESULT.processes]
    )
    assert found.context.decisive == {
        "device_kind": "board",
        "board": "Pi 4",
        "platform": "Linux aarch64",
        "cpu": "Cortex-A72 (0x41:0xd08)",
        "dot_product": "no",
        "cpus": "4",
        "affinity": "0,1,2,3",
        "governor": "ondemand",
        "threads": "1",
        "spinning": "yes",
        "batch": "1",
        "input_shape": "3x32x32",
    }


def test_a_run_quicker_than_the_clock_can_tell_does_not_make_a_file_that_pyperf_refuses(tmp_path: Path) -> None:
    process = RESULT.processes[0]
    zero = replace(process.blocks[0], samples_ns=dict.fromkeys(TIMES, (0, 0, 0)))
    instant = replace(process, blocks=(zero, *process.blocks[1:]))
    odd = replace(RESULT, processes=(instant, *RESULT.processes[1:]))
    pyperf("show", written(tmp_path / "r.json", odd))


def test_an_emulated_machine_has_nothing_to_write() -> None:
    with pytest.raises(UsageError, match="emulated machine has no times"):
        write_pyperf(replace(RESULT, device_kind="emulated"))


def test_an_invalid_result_is_written_but_not_compared(tmp_path: Path) -> None:
    path = written(tmp_path / "r.json", replace(RESULT, verdict=Verdict("invalid", ())))
    assert "edgeguard_verdict: invalid" in pyperf("metadata", path)
    with pytest.raises(InvalidMeasurement, match=r"r\.json"):
        read_pyperf(path)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pyperf itself measures here: two benchmarks, six processes, and a calibration."""
    path = tmp_path_factory.mktemp("pyperf") / "real.json"
    for number, statement in enumerate(("sum(range(1000))", "sorted(range(1000))")):
        options = ("-p", "6", "-n", "3", "-w", "1", "--min-time", "0.001", "--name", f"b{number}", "--append", path)
        pyperf("timeit", *options, statement)
    return path


def test_a_file_that_pyperf_measured_is_read(measured: Path) -> None:
    found = read_pyperf(measured)
    assert [(one.name, one.quantity, len(one.values)) for one in found.series] == [("b0", "time", 6), ("b1", "time", 6)]
    stats = json.loads(measured.read_bytes())["benchmarks"][0]["runs"]
    assert found.series[0].values == tuple(median(run["values"]) for run in stats if "values" in run)
    assert {"platform", "cpus"} <= set(found.context.decisive)
    assert "python_version" in found.context.told
    assert not re.search(r"\d+\.\d+", found.context.decisive["platform"])


def test_a_file_of_pyperf_equals_itself(measured: Path) -> None:
    found = compare(read_pyperf(measured), read_pyperf(measured))
    assert {change.ratio for change in found.changes} == {1.0}
    assert found.regressions == ()
    assert found.told == found.ignored == ()


def test_the_inner_metadata_win_and_calibrations_are_no_values(tmp_path: Path) -> None:
    data = suite(benchmark([], [2.0, 4.0, 3.0], [5.0], unit="byte"), metadata={"unit": "second", "name": "outer"})
    (series,) = read_pyperf(put(tmp_path / "f.json", data)).series
    assert (series.name, series.quantity, series.values) == ("b", "memory", (3.0, 5.0))


def test_what_differs_between_runs_is_no_condition(tmp_path: Path) -> None:
    data = suite(benchmark([1.0], [1.0]), metadata={"cpu_model_name": "A", "cpu_config": "0-3=governor:powersave; x"})
    data["benchmarks"][0]["runs"][0]["metadata"] = {"cpu_count": 3}
    data["benchmarks"][0]["runs"][1]["metadata"] = {"cpu_count": 4}
    assert read_pyperf(put(tmp_path / "f.json", data)).context.decisive == {"cpu": "A", "governor": "powersave"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"cpu_model_name": "A"}, {"cpu_model_name": "B"}, "cpu: A -> B"),
        ({"cpu_count": 4}, {"cpu_count": 2}, "cpus: 4 -> 2"),
        ({"cpu_affinity": "0-1"}, {}, "affinity: 0-1 -> not said"),
        ({"platform": "Linux-6.1-x86_64-with-glibc2.36"}, {"platform": "Linux-6.1-aarch64"}, "x86_64 -> Linux aarch64"),
        ({"platform": "Windows-10"}, {"platform": "Windows-11"}, "platform: Windows-10 -> Windows-11"),
    ],
)
def test_other_machines_are_refused(tmp_path: Path, old: Any, new: Any, words: str) -> None:
    files = [
        put(tmp_path / f"{number}.json", suite(benchmark(*[[1.0]] * 5), metadata=metadata))
        for number, metadata in enumerate((old, new))
    ]
    with pytest.raises(UsageError, match=words):
        compare(*map(read_pyperf, files))


def test_an_update_of_kernel_and_python_is_told(tmp_path: Path) -> None:
    found = [
        read_pyperf(put(tmp_path / f"{version}.json", suite(benchmark(*[[1.0]] * 5), metadata=metadata)))
        for version in ("6.1", "6.12")
        for metadata in [{"platform": f"Linux-{version}-x86_64-with-glibc2.36", "python_version": f"3.{version}"}]
    ]
    assert [entry.field for entry in compare(*found).told] == ["python_version", "platform"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (suite(benchmark([1.0]), version="6"), "version 6 is not 1.0"),
        (suite(benchmark([1.0], unit="furlong")), "furlong"),
        (suite(benchmark([0.0])), "positive"),
        (suite(benchmark([-1.0])), "positive"),
        (suite(benchmark([float("nan")])), "positive"),
        (suite(benchmark([float("inf")])), "positive"),
        (suite({"runs": [{"values": ["fast"]}]}), r"benchmarks\.0\.runs\.0\.values\.0"),
        (suite(benchmark([1.0]), benchmark([1.0])), "two benchmarks called b"),
        (suite({"runs": 3}), r"benchmarks\.0\.runs"),
        ({"benchmarks": []}, "version"),
    ],
)
def test_what_is_damaged_is_refused_by_name(tmp_path: Path, data: Any, words: str) -> None:
    with pytest.raises(BadData, match=words):
        read_pyperf(put(tmp_path / "f.json", data))
