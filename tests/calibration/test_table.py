"""The calibration table: what is written is read, and a key changes with all that ranges depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.calibration.collect import HalvesReport
from edgeguard.calibration.observers import Range
from edgeguard.calibration.table import CalibrationKey, CalibrationTable, load_table
from edgeguard.errors import BadData

KEY = CalibrationKey("model", "data", "percentile", {"percentile": 99.999})
TABLE = CalibrationTable(KEY, 12, {"a": Range(-1.0, 2.5), "logits": Range(0.0, 0.0)}, HalvesReport(0.25, "a"))

finite = st.floats(allow_nan=False, allow_infinity=False)
ranges = st.builds(lambda low, high: Range(-abs(low), abs(high)), finite, finite)


@given(
    ranges=st.dictionaries(st.text(), ranges, max_size=5),
    halves=st.none() | st.builds(HalvesReport, finite, st.text()),
    parameters=st.dictionaries(st.text(), finite, max_size=2),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    ranges: dict[str, Range],
    halves: HalvesReport | None,
    parameters: dict[str, float],
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.json"
    table = CalibrationTable(replace(KEY, parameters=parameters), 3, ranges, halves)
    path.write_bytes(table.to_bytes())
    assert load_table(path) == table


def test_the_key_knows_model_data_and_method() -> None:
    variants = [
        KEY,
        replace(KEY, model="other"),
        replace(KEY, data="other"),
        replace(KEY, observer="entropy"),
        replace(KEY, parameters={"percentile": 99.9}),
        replace(KEY, model="data", data="model"),
    ]
    assert len({variant.digest for variant in variants}) == len(variants)
    assert KEY.digest == CalibrationKey("model", "data", "percentile", {"percentile": 99.999}).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"{", b""),
        (b'"images": 12', b'"images": "many"'),
        (b'"low": -1.0', b'"low": 1.0'),
        (b'"high": 2.5', b'"high": NaN'),
        (b'"ranges"', b'"rangez"'),
    ],
)
def test_a_damaged_table(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "calibration.json"
    written = TABLE.to_bytes()
    assert old in written
    path.write_bytes(written.replace(old, new, 1))
    with pytest.raises(BadData):
        load_table(path)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"absent\.json: cannot be read"):
        load_table(tmp_path / "absent.json")
