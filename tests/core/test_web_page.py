"""HTML files that need nothing but themselves."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from edgeguard.web_page import web_page, web_table


def test_names_are_escaped_and_nothing_is_fetched() -> None:
    table = web_table(("a<b", "n"), (("<script>x</script>", "1&2"),), 1)
    text = web_page('<i>"t"</i>', table, ".more { opacity: 1; }")
    assert text.startswith("<!DOCTYPE html>")
    assert "<title>&lt;i&gt;&quot;t&quot;&lt;/i&gt;</title>" in text
    assert ".more { opacity: 1; }</style>" in text
    assert "<script" not in text
    assert "1&amp;2" in text
    assert re.findall(r"https?:|url\(|src=|@import", text) == []


def test_words_stand_left_and_every_cell_is_there() -> None:
    found: list[tuple[str, str | None]] = []

    class Cells(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag in ("th", "td"):
                found.append((tag, dict(attrs).get("class")))

    Cells().feed(web_table(("layer", "db"), (("conv", "40"), ("dense", "41")), 1))
    assert found == [(tag, kind) for tag in ("th", "td", "td") for kind in ("text", None)]
