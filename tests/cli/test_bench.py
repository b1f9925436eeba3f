"""``edgeguard bench`` through the real command line. The machine that runs it may be busy: then it must say so."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from click.testing import CliRunner

from edgeguard.bench import measure as module
from edgeguard.bench.device_kind import DeviceKind
from edgeguard.bench.messages import CountAnswer
from edgeguard.bench.result import Result, read_result
from edgeguard.cli.bench import bench
from edgeguard.errors import InvalidMeasurement, UsageError
from tests.artifacts import make_artifact
from tests.cli.shell import assert_clean_failure, edgeguard

TINY = ("--effort", "quick", "--processes", "3", "--blocks", "4", "--runs", "6")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("bench"), name="digits")


@pytest.fixture(scope="module")
def run(artifact: Path) -> tuple[CompletedProcess[str], Result]:
    done = edgeguard("bench", artifact, *TINY)
    return done, read_result(artifact.with_name("digits.result.json"))


def test_the_exit_code_is_that_of_the_verdict(run: tuple[CompletedProcess[str], Result]) -> None:
    done, result = run
    assert done.returncode == (5 if result.verdict.status == "invalid" else 0), done.stderr
    assert f"verdict: {result.verdict.status}" in done.stdout
    for reason in result.verdict.reasons:
        assert f"  {reason.status}: {reason.text}" in done.stdout


def test_the_table_has_a_line_for_each_variant_and_a_sentence_for_each_finding(
    run: tuple[CompletedProcess[str], Result],
) -> None:
    done, result = run
    for variant in result.variants:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"│ {variant.name} ")]
        assert re.search(r"[0-9.]+ (us|ms)", line)
        assert "too few" in line  # 72 samples give no p99
    assert len(result.findings) == 5
    for finding in result.findings:
        assert f"- {finding}" in done.stdout


def test_steps_go_to_stderr(run: tuple[CompletedProcess[str], Result]) -> None:
    done, _ = run
    assert "Timing float, int8, defended" in done.stderr
    assert "Timing" not in done.stdout


def test_too_few_samples_end_in_5_with_a_written_result(artifact: Path, tmp_path: Path) -> None:
    output = tmp_path / "few.json"
    done = edgeguard("bench", artifact, "-o", output, "--json", *TINY[:4], "--blocks", "2", "--runs", "2")
    assert done.returncode == 5
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: {output}: ")
    assert "has 12 samples, a 90th percentile needs 64" in last
    assert "Measure longer with --seconds" in last
    assert "Traceback" not in done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads(output.read_bytes())
    assert read_result(output).verdict.status == "invalid"


def test_an_existing_result_is_kept_without_force(artifact: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.json"
    output.write_text("mine")
    assert_clean_failure(edgeguard("bench", artifact, "-o", output, *TINY), 2, "mine.json", "--force")
    assert output.read_text() == "mine"
    done = edgeguard("bench", artifact, "-o", output, "--force", *TINY)
    assert done.returncode in (0, 5), done.stderr
    assert read_result(output).artifact.name == "digits.edgeguard"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_no_place_to_write_is_said_before_the_measurement(artifact: Path, tmp_path: Path) -> None:
    done = edgeguard("bench", artifact, "-o", tmp_path / "no" / "where.json", *TINY)
    assert_clean_failure(done, 2, "parent directory", "where.json")


def test_a_directory_in_its_place_and_one_that_cannot_be_written_are_refused(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_clean_failure(edgeguard("bench", artifact, "-o", tmp_path, *TINY), 2, str(tmp_path), "directory")
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)  # root may write everywhere
    done = CliRunner().invoke(bench, [str(artifact), "-o", str(tmp_path / "r.json"), *TINY])
    assert isinstance(done.exception, UsageError)
    assert "cannot write there" in str(done.exception)


def test_the_artifact_may_be_the_working_directory(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(artifact)
    done = edgeguard("bench", ".", "--force", *TINY)
    assert done.returncode in (0, 5), done.stderr
    assert "Timing float, int8, defended" in done.stderr
    assert read_result(artifact.with_name("digits.result.json")).artifact.name == "digits.edgeguard"


def test_no_artifact(tmp_path: Path) -> None:
    assert_clean_failure(edgeguard("bench", tmp_path / "none.edgeguard"), 2, "none.edgeguard", "no such directory")


def test_a_changed_model_is_not_timed(artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "digits.edgeguard"
    shutil.copytree(artifact, copy)
    with (copy / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    assert_clean_failure(edgeguard("bench", copy, *TINY), 4, "model.onnx")
    assert not (tmp_path / "digits.result.json").exists()


@pytest.mark.parametrize("option", ["--threads", "--processes", "--blocks", "--runs", "--seconds"])
def test_nonsense_names_the_option(artifact: Path, option: str) -> None:
    assert_clean_failure(edgeguard("bench", artifact, option, "0"), 2, option)


def test_what_is_measured_on_demand_is_printed(artifact: Path, tmp_path: Path) -> None:
    done = edgeguard("bench", artifact, "-o", tmp_path / "r.json", *TINY, "--sustained", "5s", "--profile")
    assert done.returncode in (0, 5), done.stderr
    assert "without a pause" in done.stdout
    assert "profile of defended, by operator (share of time):" in done.stdout
    assert re.search(r"│ QLinearConv +│ +2 │ +[0-9.]+ us │ +[0-9.]+% │", done.stdout)
    assert "Running defended for 5 s without a pause" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sustained", "10"), ("--sustained", "90s")),
        (("--sustained", "2s"), ("--sustained", "too short")),
        (("--energy",), ("--energy", "vcgencmd")),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_measurement(
    artifact: Path, tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_clean_failure(edgeguard("bench", artifact, "-o", tmp_path / "r.json", *options), 2, *words)
    assert not (tmp_path / "r.json").exists()


def test_an_emulator_prints_instructions_and_no_times(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("float", "int8", "defended", "control", "end-to-end")
    counts = dict.fromkeys(names, (12_345_600,) * 3) | {"int8": (654_321,) * 3}
    answer = CountAnswer({"instructions": counts}, {"instructions": 0}, {})
    monkeypatch.setattr(module, "device_kind", lambda: DeviceKind("emulated", "the test says so", None))
    monkeypatch.setattr(module, "count", lambda *_: answer)
    output = tmp_path / "emulated.json"
    done = CliRunner().invoke(bench, [str(artifact), "-o", str(output), *TINY])
    assert done.exit_code == 0, done.output
    assert "emulated (the test says so)" in done.stdout
    assert re.search(r"│ defended +│ +12\.35 M │ +[0-9.]+ MiB, \+[0-9.]+ │ +3 │", done.stdout)
    assert re.search(r"│ int8 +│ +654\.3 k │", done.stdout)
    assert "int8 needs 0.053 of float's instructions." in done.stdout
    assert not re.search(r"[0-9] ?(us|ms|ns|s)\b|p50|p90|p99|[0-9]x |first run", done.stdout)
    assert read_result(output).device_kind == "emulated"


def test_an_emulator_that_does_not_count_ends_in_5(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "device_kind", lambda: DeviceKind("emulated", "the test says so", None))
    monkeypatch.setattr(module, "count", lambda *_: CountAnswer({}, {}, {"instructions": "the test forbids it"}))
    output = tmp_path / "nothing.json"
    done = CliRunner().invoke(bench, [str(artifact), "-o", str(output), *TINY])
    assert isinstance(done.exception, InvalidMeasurement)
    assert "nothing was measured" in str(done.exception)
    assert "not counted: instructions: the test forbids it" in done.stdout
    assert not re.search(r"[0-9] ?(us|ms|ns|s)\b", done.stdout)
