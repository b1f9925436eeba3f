"""Class names from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.errors import BadData
from edgeguard.export.labels import read_labels


def test_one_name_a_line(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("  cat\ndog \n\nÄskulapnatter\r\n")
    assert read_labels(tmp_path / "names.txt") == ("cat", "dog", "Äskulapnatter")


def test_a_json_list(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('["cat", "dog, wet", ""]')
    assert read_labels(tmp_path / "names.json") == ("cat", "dog, wet", "")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("names.json", b'["cat", ', "is not JSON"),
        ("names.json", b'{"0": "cat"}', r'not a JSON list of strings\. Write it as \["cat", "dog"'),
        ("names.json", b'["cat", 3]', "not a JSON list of strings"),
        ("names.txt", b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_files_that_are_neither(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match=said):
        read_labels(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"nowhere\.txt: cannot be read as text"):
        read_labels(tmp_path / "nowhere.txt")
