"""``edgeguard compare`` from the command line to the exit code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeguard.bench.pyperf_write import write_pyperf
from edgeguard.bench.result import Result, write_result
from edgeguard.bench.verdict import Reason, Verdict
from tests.bench.comparable import TIMES, made_up_counts, made_up_measurement
from tests.cli.inprocess import Here
from tests.cli.shell import edgeguard

SLOW = {**TIMES, "defended": 1.2 * TIMES["defended"]}
Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(name: str, result: Result, form: Callable[[Result], bytes] = write_result) -> Path:
        path = tmp_path / name
        path.write_bytes(form(result))
        return path

    return write


def test_equal_measurements_end_in_0_with_a_line_for_everything(here: Here, put: Put) -> None:
    done = here("compare", put("old.json", made_up_measurement(1)), put("new.json", made_up_measurement(2)))
    assert (done.code, done.err) == (0, "")
    for name in ("time of float", "ratio of defended/int8", "memory of end-to-end"):
        (line,) = [line for line in done.out.splitlines() if line.startswith(f"│ {name} ")]
        assert "no change" in line
    assert done.out.splitlines()[-1] == "no regression beyond 5 %"


@pytest.mark.parametrize("form", [write_result, write_pyperf])
def test_a_regression_ends_in_1_and_says_by_how_much(here: Here, put: Put, form: Callable[[Result], bytes]) -> None:
    old, new = put("old.json", made_up_measurement(1), form), put("new.json", made_up_measurement(2, times=SLOW), form)
    done = here("compare", old, new)
    assert (done.code, done.err) == (1, "")
    assert "regression: time of defended grew by 2" in done.out
    assert "no regression" not in done.out
    assert here("compare", new, old).code == 0


@pytest.mark.parametrize("threshold", ["30%", "30", " 30 % "])
def test_the_threshold_is_in_percent(here: Here, put: Put, threshold: str) -> None:
    old, new = put("old.json", made_up_measurement(1)), put("new.json", made_up_measurement(2, times=SLOW))
    done = here("compare", old, new, "--threshold", threshold)
    assert done.code == 0
    assert "no regression beyond 30 %" in done.out


@pytest.mark.parametrize("threshold", ["much", "-1%", "nan", "inf", ""])
def test_a_threshold_that_is_no_percentage_is_refused(here: Here, put: Put, threshold: str) -> None:
    path = put("old.json", made_up_measurement(1))
    done = here("compare", path, path, "--threshold", threshold)
    assert done.code == 2
    assert "--threshold" in done.err


def test_json_holds_the_same(here: Here, put: Put) -> None:
    old, new = put("old.json", made_up_measurement(1)), put("new.json", made_up_measurement(2, times=SLOW))
    done = here("compare", old, new, "--json", "--threshold", "7%")
    assert done.code == 1
    found = json.loads(done.out)
    assert found["regressions"] == ["time of defended", "ratio of defended/int8"]
    assert (found["old"], found["threshold"]) == (str(old), pytest.approx(0.07))
    (change,) = [one for one in found["changes"] if (one["name"], one["quantity"]) == ("defended", "time")]
    assert change["old"] == pytest.approx(510e-6, rel=0.02)
    assert change["interval"]["low"] < change["ratio"] < change["interval"]["high"]


def test_other_conditions_end_in_2_with_both_values_and_can_be_ignored(here: Here, put: Put) -> None:
    result = made_up_measurement(2)
    old = put("old.json", made_up_measurement(1))
    new = put("new.json", replace(result, plan=replace(result.plan, threads=4)))
    here("compare", old, new).failed(2, "threads: 1 -> 4", "--ignore threads")
    done = here("compare", old, new, "--ignore", "threads")
    assert done.code == 0
    assert "ignored: threads: 1 -> 4" in done.out
    here("compare", old, new, "--ignore", "weather").failed(2, "--ignore", "weather", "threads")


def test_an_emulated_machine_shows_instructions_and_no_time(here: Here, put: Put) -> None:
    done = here("compare", put("old.json", made_up_counts(1)), put("new.json", made_up_counts(2, thousands=SLOW)))
    assert done.code == 1
    assert "regression: instruction ratio of defended/int8 grew by 20" in done.out
    (line,) = [line for line in done.out.splitlines() if line.startswith("│ instructions of int8 ")]
    assert re.search(r"│ +500,\d{3} │ +500,\d{3} │ +1\.00", line)
    (line,) = [line for line in done.out.splitlines() if line.startswith("│ instruction ratio of defended/int8 ")]
    assert re.search(r"│ +1\.020 │ +1\.224 │", line)
    assert not re.search(r"[0-9] ?(us|ms|ns|s)\b|time of", done.out)


def test_what_was_changed_on_purpose_is_told(here: Here, put: Put) -> None:
    new = replace(made_up_measurement(2), tools={"onnxruntime": "1.33.0"})
    done = here("compare", put("old.json", made_up_measurement(1)), put("new.json", new))
    assert done.code == 0
    assert "differs: onnxruntime: 1.32.0 -> 1.33.0" in done.out


def test_variants_of_only_one_are_named(here: Here, put: Put) -> None:
    fewer = {name: value for name, value in TIMES.items() if name != "end-to-end"}
    done = here("compare", put("a.json", made_up_measurement(1)), put("b.json", made_up_measurement(2, times=fewer)))
    assert done.code == 0
    assert "only in the old one: time of end-to-end, memory of end-to-end" in done.out


def test_an_invalid_result_ends_in_5(here: Here, put: Put) -> None:
    verdict = Verdict("invalid", (Reason("throttled", "the firmware reports: throttled", "invalid"),))
    good, bad = (
        put("good.json", made_up_measurement(1)),
        put("bad.json", replace(made_up_measurement(2), verdict=verdict)),
    )
    for pair in ((good, bad), (bad, good)):
        here("compare", *pair).failed(5, "bad.json", "throttled")


def test_a_result_and_a_file_of_pyperf_are_not_mixed(here: Here, put: Put) -> None:
    ours, theirs = put("a.json", made_up_measurement(1)), put("b.json", made_up_measurement(1), write_pyperf)
    here("compare", ours, theirs).failed(2, "a.json was written by edgeguard", "--pyperf")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"benchmarks": 1}', "[" * 100_000, '"\\ud800"'])
def test_what_is_no_result_ends_in_3(here: Here, put: Put, tmp_path: Path, content: str) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(content)
    here("compare", put("good.json", made_up_measurement(1)), bad).failed(3, "bad.json")


def test_a_missing_file_ends_in_3_and_is_named(here: Here, put: Put, tmp_path: Path) -> None:
    here("compare", tmp_path / "none.json", put("good.json", made_up_measurement(1))).failed(3, "none.json")


def test_names_from_a_file_do_not_reach_the_terminal_raw(here: Here, tmp_path: Path) -> None:
    runs = [{"values": [1.0]}] * 5
    data: Any = {"version": "1.0", "benchmarks": [{"runs": runs, "metadata": {"name": "a\x1b[31m[red]"}}]}
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(data))
    done = here("compare", path, path)
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "[red]" in done.out


def test_the_exit_code_reaches_the_shell(put: Put) -> None:
    old, new = put("old.json", made_up_measurement(1)), put("new.json", made_up_measurement(2, times=SLOW))
    done = edgeguard("compare", old, new)
    assert done.returncode == 1
    assert done.stderr == ""
