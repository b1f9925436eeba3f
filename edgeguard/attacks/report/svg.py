"""SVG files that stand within an HTML file: no address of anything outside, ids of their own, colours of the page."""

from __future__ import annotations

import html
import re

__all__ = ["INK", "inlined"]

# Draw in this colour what should have the colour of the page's text, light or dark.
INK = "#010203"

_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
# Within HTML no namespace is named; without a size the drawing is as wide as its place.
_OUTSIDE = re.compile(r'\s+(?:xmlns(?::\w+)?|width|height)="[^"]*"')
_ID = re.compile(r'\bid="([^"]+)"')
_USE = re.compile(r'\b(?:xlink:)?href="#([^"]+)"')
_URL = re.compile(r"url\(#([^)]+)\)")


def inlined(svg: str, name: str, label: str) -> str:
    """An SVG file as an element of an HTML file.

    :param svg: as matplotlib writes it.
    :param name: prefix of its ids, for those of two files may be equal.
    :param label: says what it shows to those who cannot see it.
    """
    text = _METADATA.sub("", _PROLOGUE.sub("", svg, count=1))
    for pattern, made in ((_ID, rf'id="{name}-\1"'), (_USE, rf'href="#{name}-\1"'), (_URL, rf"url(#{name}-\1)")):
        text = pattern.sub(made, text)
    head, mark, rest = text.partition(">")
    head = _OUTSIDE.sub("", head)
    head = head.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
    return (head + mark + rest).replace(INK, "currentColor").strip()
