"""What a person is told of a result, wherever it was measured."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edgeguard.bench.demand_messages import Node
from edgeguard.bench.demanded import Profile
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


def test_profile_and_energy_have_tables(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(made_up_result())
    text = capsys.readouterr().out
    assert "profile of defended, by operator (share of time):" in text
    assert re.search(r"│ Conv +│ +1 │ 12\.0 us │ 75\.0% │", text)
    assert "energy, by the PMIC's rails, not the wall socket:" in text
    assert re.search(r"│ idle +│ 2\.60 W │", text)
    assert re.search(r"│ defended │ 4\.60 W │ +9\.200 mJ │ +4\.000 mJ │", text)


def test_many_operators_are_cut_to_the_costliest(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = tuple(Node(f"n{place}", f"Op{place:02}", 1.0, (14 - place) / 91) for place in range(1, 14))
    print_report(replace(made_up_result(), profiles=(Profile("defended", nodes),)))
    text = capsys.readouterr().out
    assert "Op10" in text
    assert "Op11" not in text
    assert re.search(r"│ 3 others +│ +3 │ +│ +6\.6% │", text)


def test_times_of_an_emulated_machine_are_not_told_even_where_a_result_holds_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made_up = made_up_result()
    shares = tuple(replace(node, median_us=None) for node in made_up.profiles[0].nodes)
    result = replace(
        made_up, device_kind="emulated", profiles=(Profile("defended", shares),), sustained=None, energy=None
    )
    assert isinstance(result.processes[0], Process)
    print_report(result)
    text = capsys.readouterr().out
    assert "(share of instructions)" in text
    assert "75.0%" in text
    assert not re.search(r"[0-9] ?(us|ms|ns|s)\b|p50|p90|p99|first run|cycles ┃", text)


def test_what_a_foreign_result_says_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(replace(made_up_result(), findings=("\x1b[2J gone",)))
    assert "\x1b" not in capsys.readouterr().out


def test_only_an_invalid_result_is_refused_with_its_remedies() -> None:
    with pytest.raises(InvalidMeasurement, match=r"there: 1 process.*--processes"):
        refuse_invalid(made_up_result(), "there")
    unknown = Verdict("unknown", (Reason("emulated", "so it is", "unknown"),))
    refuse_invalid(replace(made_up_result(), verdict=unknown), "there")
