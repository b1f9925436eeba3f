from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeguard.attacks.evaluation.records import RECORDS, parse_record, read_records, recording, write_record
from edgeguard.attacks.metrics import Exposure
from edgeguard.errors import BadData, UsageError
from tests.attacks.evaluation.grids import written_cells
from tests.attacks.evaluation.tasks import record_of


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = record_of(written_cells(tmp_path)[0])
    asked = replace(record, exposure=Exposure(60, 30, 0.1, 0.2, 1 / 3, 0.75, 29, 4.8579))
    for each in (record, asked):
        line = write_record(each)
        assert line.count(b"\n") == 1
        assert parse_record(line, "a test") == each


def test_a_torn_line_is_dropped_and_the_next_record_stands_by_itself(tmp_path: Path) -> None:
    first, second = map(record_of, written_cells(tmp_path)[:2])
    (tmp_path / RECORDS).write_bytes(write_record(first) + write_record(second)[:40])
    assert read_records(tmp_path) == [first]
    with recording(tmp_path) as recorder:
        recorder.append(second)
    assert read_records(tmp_path) == [first, second]


def test_no_records_yet(tmp_path: Path) -> None:
    assert read_records(tmp_path) == read_records(tmp_path / RECORDS) == []


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    line = write_record(record_of(written_cells(tmp_path)[0]))
    (tmp_path / RECORDS).write_bytes(line + line.replace(b'"seconds":1.5', b'"seconds":"long"'))
    with pytest.raises(BadData, match=r"cells.jsonl:2: seconds"):
        read_records(tmp_path)


def test_two_runs_never_write_to_the_same_records(tmp_path: Path) -> None:
    with recording(tmp_path), pytest.raises(UsageError, match="another run writes there"), recording(tmp_path):
        pass
    with recording(tmp_path):
        pass
