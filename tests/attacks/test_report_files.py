"""The files of a report: what they say, what they refer to, and that nothing in a name becomes markup."""

from __future__ import annotations

import csv
import io
import math
import os
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.attacks.evaluation.records import CellRecord
from edgeguard.attacks.report.cells import COLUMNS, cells_csv
from edgeguard.attacks.report.document import sections
from edgeguard.attacks.report.markdown import markdown
from edgeguard.attacks.report.placing import spread
from edgeguard.attacks.report.provenance import missing
from edgeguard.attacks.report.write import write_report
from edgeguard.errors import MissingExtra
from tests.attacks.report_cells import cell, grid, without_exposure

GOLDEN = Path(__file__).parent / "golden" / "report.md"
UPDATE = bool(os.environ.get("EDGEGUARD_UPDATE"))
HOSTILE = "<script>alert('1')</script>\"&|`*_[x](y)$x$"


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(page)
    return parser.found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("matplotlib")
    directory = tmp_path_factory.mktemp("report") / "new"
    written = write_report(grid(), directory)
    assert [path.name for path in written] == ["report.html", "cells.csv", "report.md"]
    assert sorted(path.name for path in directory.iterdir()) == ["cells.csv", "report.html", "report.md"]
    return written[0].read_text()


def test_the_markdown_is_as_recorded() -> None:
    found = markdown(sections(grid()))
    if UPDATE:
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), "if meant: EDGEGUARD_UPDATE=1 pytest tests/attacks/test_report_files.py"


def test_every_plot_has_the_floor_and_the_undefended_clone(page: str) -> None:
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    # Two victims, each against loss and against bits.
    assert len(plots) == 4
    for plot, (floor, undefended) in zip(plots, [("50.0", "60.0")] * 2 + [("49.0", "59.0")] * 2, strict=True):
        assert f"label-only floor, {floor} %" in plot
        assert f"undefended, {undefended} %" in plot
        assert "line-label" in plot


def test_the_page_refers_to_nothing_outside(page: str) -> None:
    assert "http" not in page
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    elements = _elements(page)
    assert {tag for tag, _ in elements}.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form"})
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "ids of two plots are equal"
    links = [attributes[name] for _, attributes in elements for name in ("href", "xlink:href") if name in attributes]
    assert links
    assert {str(link)[0] for link in links} == {"#"}
    assert {str(link)[1:] for link in links} <= set(map(str, ids))


def test_a_page_is_the_same_each_time(page: str, tmp_path: Path) -> None:
    assert write_report(list(reversed(grid())), tmp_path)[0].read_text() == page


@pytest.mark.filterwarnings("error")
def test_hostile_names_stay_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    records = [
        replace(
            cell(name, 0.5, seed=seed, attack=HOSTILE, victim=f"{victim}{HOSTILE}", pool=HOSTILE, loss=0.5),
            machine=HOSTILE,
            command=HOSTILE,
            student=HOSTILE,
            versions={HOSTILE: HOSTILE},
        )
        for name in ("undefended", "label", f"_{HOSTILE}-1pp", f"dcp-{HOSTILE}=1")
        for victim in ("int8-", "float-")
        for seed in (0, 1)
    ]
    page, _, text = (path.read_text() for path in write_report(records, tmp_path))
    assert not [tag for tag, _ in _elements(page) if tag == "script"]
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;" in page
    assert "on" not in {name[:2] for _, attributes in _elements(page) for name in attributes}
    assert not re.search(r"(?<!\\)<script", text)
    assert not re.search(r"(?<!\\)\[x(?<!\\)\]\(", text)
    table = [line for line in text.splitlines() if line.startswith("| undefended")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table if "95" not in line} <= {8, 10, 11, 12}


def test_the_csv_reads_back_as_it_was() -> None:
    records = [*grid(seeds=(0,)), without_exposure(cell("label", 1 / 3, attack='a "b", c\nd'))]
    text = cells_csv(records)
    assert text.count("\r\n") == len(records) + 1
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert tuple(rows[0]) == COLUMNS
    found = {row["attack"]: row for row in rows if row["defense"] == "label" and row["victim"] == "net-float"}
    odd = found['a "b", c\nd']
    assert float(odd["theft_accuracy"]) == 1 / 3
    assert (odd["exposure_bits"], odd["pool"]) == ("", "-")
    assert odd["versions"] == '{"numpy": "2.0", "torch": "2.6"}'
    assert float(found["naive"]["exposure_bits"]) == 9.97
    assert cells_csv(records[::-1]) == text


def test_an_incomplete_grid_says_so() -> None:
    whole = grid()
    records = [
        record
        for record in whole
        if not (record.defense == "decoy-1pp" and record.attack == "recovery")
        and not (record.defense == "dcp-0.9" and record.attack == "recovery" and record.seed == 2)
    ]
    text = markdown(sections(records, whole))
    assert "Fewer attackers than others had: decoy-1pp." in text
    row = next(line for line in text.splitlines() if line.startswith("| decoy-1pp | naive"))
    assert row.endswith("| recovery |")
    assert "| 2 of 3 |" in next(line for line in text.splitlines() if line.startswith("| dcp-0.9 | recovery"))
    assert "8 of the grid's 96 cells are missing:" in text
    assert len(missing(records, whole)) == 8
    assert "All 96 cells of the grid are there." in markdown(sections(whole, whole))


def test_one_seed_has_no_interval_and_no_verdict() -> None:
    text = markdown(sections(grid(seeds=(1,))))
    assert "There is one seed (1): no interval, and no verdict that needs one." in text
    assert "| decoy-0.5pp | dcp | no interval |" in text
    assert " to " not in "".join(line for line in text.splitlines() if line.startswith("| decoy"))


def test_what_a_grid_lacks_is_named(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    records: list[CellRecord] = [without_exposure(cell("dcp-1", 0.5))]
    page, _, text = (path.read_text() for path in write_report(records, tmp_path))
    for said in ("No cell is named undefended", "No cell is named label", "No attack had a transfer set."):
        assert said in page
        assert said in text
    assert "No worst attacker has a transfer set" in page


def test_without_matplotlib_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"edgeguard\[report\]"):
        write_report(grid(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@given(st.lists(st.floats(0, 1), max_size=6), st.floats(0.01, 0.2))
def test_texts_are_moved_apart_in_their_order(heights: list[float], gap: float) -> None:
    moved = spread(heights, gap)
    assert all(after >= before for before, after in zip(heights, moved, strict=True))
    ordered = sorted(moved)
    assert all(math.isclose(high - low, gap) or high - low > gap for low, high in pairwise(ordered))
