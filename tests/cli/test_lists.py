"""``edgeguard targets`` and ``edgeguard defenses``."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from edgeguard.cli.main import COMMANDS
from edgeguard.defenses.registry import DEFENSES, parameters
from edgeguard.targets import DEFAULT_TARGET, TARGETS
from tests.cli.inprocess import Here


def test_targets_are_listed_with_what_a_file_for_them_holds(here: Here) -> None:
    lines = here("targets").out.splitlines()
    assert len(lines) == 2 * len(TARGETS)
    for index, target in enumerate(TARGETS.values()):
        mark = " (default)" if target.name == DEFAULT_TARGET else ""
        assert lines[2 * index] == f"{target.name}{mark}: {target.description}"
        facts = lines[2 * index + 1]
        assert ("7-bit weights" in facts) == (target.name == "x86-64")
        types = f"activations {target.activation_type}, weights int8"
        for words in (types, "opset 20", "IR 9", "onnxruntime >= 1.17"):
            assert words in facts


def test_targets_for_programs(here: Here) -> None:
    rows = json.loads(here("targets", "--json").out)
    assert [row["name"] for row in rows] == list(TARGETS)
    assert {"opset", "ir_version", "min_onnxruntime", "reduce_range", "per_channel"} <= set(rows[0])


def test_defenses_are_listed_with_their_parameters(here: Here) -> None:
    out = here("defenses").out
    for name, kind in DEFENSES.items():
        mark = {"codebook": " (default with --validation)", "label": " (default without --validation)"}.get(name, "")
        assert f"{name}{mark}: {kind.summary}\n" in out
        assert f"broken by: {kind.attack}\n" in out
    assert "may change the argmax; a budget tunes the beta\n" in out
    assert "parameters for 10 classes: beta=0.9, gamma=0.2, nu=1000.0\n" in out
    assert "needs --key and --validation\n" in out


@pytest.mark.parametrize("name", [*DEFENSES, "gates"])
def test_each_defense_is_explained(here: Here, name: str) -> None:
    out = here("defenses", name).out
    assert "::\n" in out, "a formula"
    if name in DEFENSES:
        assert f"broken by: {DEFENSES[name].attack}\n" in out


def test_defenses_for_programs(here: Here) -> None:
    rows = {row["name"]: row for row in json.loads(here("defenses", "--json").out)}
    assert set(rows) == set(DEFENSES)
    defaults = {name: row["default"] for name, row in rows.items() if row["default"]}
    assert defaults == {"codebook": "with --validation", "label": "without --validation"}
    for name, row in rows.items():
        assert row["parameters"] == parameters(DEFENSES[name].for_classes(10))
        assert row["keeps_argmax"] == DEFENSES[name].keeps_argmax
        assert row["version"] == DEFENSES[name].version


_HELP = """
from edgeguard.cli.main import COMMANDS, main
for arguments in (["-h"], *([name, "-h"] for name in sorted(COMMANDS))):
    main(arguments)
"""


def test_every_command_is_listed_and_can_be_asked_for_help() -> None:
    """In one fresh process: a command keeps the help option that it was first called with, whoever called it."""
    done = subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^Usage: edgeguard ([a-z]+) ", done.stdout, re.MULTILINE) == sorted(COMMANDS)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


def test_a_command_that_is_not_there(here: Here) -> None:
    here("exprot", "model.onnx").failed(2, "exprot")


def test_the_version(here: Here) -> None:
    from edgeguard import __version__

    assert here("--version").out == f"edgeguard, version {__version__}\n"
