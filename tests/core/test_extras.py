"""Optional dependencies: one friendly line when they are absent, and no disguise for other failures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgeguard.errors import MissingExtra
from edgeguard.extras import require


def test_what_is_there_is_imported() -> None:
    assert require("json", "export") is json


@pytest.mark.parametrize("module", ["edgeguard_absent", "edgeguard_absent.sub.module"])
def test_what_is_absent_names_the_extra(module: str) -> None:
    with pytest.raises(MissingExtra, match=r"edgeguard_absent is not installed.*edgeguard\[attacks\]"):
        require(module, "attacks")


def test_a_broken_installation_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edgeguard_broken.py").write_text("import edgeguard_dependency_of_it")
    (tmp_path / "edgeguard_failing.py").write_text("raise ImportError('libsomething.so: cannot open')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="edgeguard_dependency_of_it"):
        require("edgeguard_broken", "export")
    with pytest.raises(ImportError, match="libsomething"):
        require("edgeguard_failing", "export")
