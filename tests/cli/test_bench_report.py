"""What a person is told of a result, wherever it was measured."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edgeguard.bench.result import Process
from edgeguard.bench.verdict import Reason, Verdict
from edgeguard.cli.bench_report import print_report, refuse_invalid
from edgeguard.errors import InvalidMeasurement
from tests.bench.results import made_up_result


def test_counts_stand_beside_the_times_of_a_board(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(made_up_result())
    text = capsys.readouterr().out
    assert "instructions ┃ cycles" in text
    assert re.search(
        r"│ defended │ 1\.30 ms │ +too few │ +too few │ +20\.00 ms │ +3\.00 ms │ +0\.1 k │ +0\.1 k │", text
    )
    assert "not counted: cycles: no such counter" in text


def test_without_counts_there_is_no_column_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(replace(made_up_result(), counts=None))
    text = capsys.readouterr().out
    assert "instructions ┃" not in text
    assert "p50" in text


def test_times_of_an_emulated_machine_are_not_told_even_where_a_result_holds_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = replace(made_up_result(), device_kind="emulated")
    assert isinstance(result.processes[0], Process)
    print_report(result)
    text = capsys.readouterr().out
    assert "instructions" in text
    assert not re.search(r"[0-9] ?(us|ms|ns|s)\b|p50|p90|p99|first run|cycles ┃", text)


def test_what_a_foreign_result_says_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(replace(made_up_result(), findings=("\x1b[2J gone",)))
    assert "\x1b" not in capsys.readouterr().out


def test_only_an_invalid_result_is_refused_with_its_remedies() -> None:
    with pytest.raises(InvalidMeasurement, match=r"there: 1 process.*--processes"):
        refuse_invalid(made_up_result(), "there")
    unknown = Verdict("unknown", (Reason("emulated", "so it is", "unknown"),))
    refuse_invalid(replace(made_up_result(), verdict=unknown), "there")
