"""Where an export may write."""

from pathlib import Path

import pytest

from edgeguard.errors import OutputExists
from edgeguard.export.packing import check_place


def test_a_free_place_and_an_older_artifact_with_its_lab_are_fine(tmp_path: Path) -> None:
    check_place(tmp_path / "new.edgeguard", replace_existing=False)
    (tmp_path / "old.edgeguard").mkdir()
    (tmp_path / "old.edgeguard" / "manifest.json").touch()
    (tmp_path / "old.lab").mkdir()
    (tmp_path / "old.lab" / "float.onnx").touch()
    check_place(tmp_path / "old.edgeguard", replace_existing=True)


def test_force_does_not_replace_a_directory_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").touch()
    with pytest.raises(OutputExists, match="no artifact"):
        check_place(tmp_path / "photos", replace_existing=True)


def test_a_lab_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.lab").mkdir()
    (tmp_path / "model.lab" / "notes.txt").touch()
    with pytest.raises(OutputExists, match=r"notes\.txt"):
        check_place(tmp_path / "model.edgeguard", replace_existing=False)
