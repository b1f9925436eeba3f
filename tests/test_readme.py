"""The README tells the truth: its code runs, its commands and options exist, its exit codes are ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from edgeguard import errors
from edgeguard.attacks.baselines.registry import PEERS
from edgeguard.attacks.data_free.registry import DATA_FREE
from edgeguard.attacks.queries.registry import QUERIES
from edgeguard.attacks.readings.registry import STRATEGIES
from edgeguard.attacks.students.registry import STUDENTS
from edgeguard.cli.main import cli
from edgeguard.defenses.registry import DEFENSES
from edgeguard.runtimes import load
from tests.artifacts import make_artifact, random_images

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
GUIDES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[list[str]]:
    """Every call of edgeguard in the README and the guides, split into words."""
    shown = [block for text in (README, *GUIDES.values()) for block in blocks("sh", text)]
    found = re.findall(r"^edgeguard [^#>\n]+", "\n".join(shown), re.MULTILINE)
    return [line.split() for line in found]


def test_plain_onnxruntime_in_ten_lines_answers_as_the_runtime_does(tmp_path: Path) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    artifact = make_artifact(tmp_path)
    assert artifact == tmp_path / "model.edgeguard"
    Image.fromarray(random_images(1, size=40)[0]).save(tmp_path / "photo.jpg")
    script = f"{code}\nprint(json.dumps(answer.tolist()))"
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    answer = np.array(json.loads(result.stdout), np.float32)
    expected = load(artifact).predict([np.asarray(Image.open(tmp_path / "photo.jpg"))])[0]
    assert answer.shape == (10,)
    assert np.abs(answer - expected).max() <= 1e-6


def test_the_guide_speaks_of_every_defense() -> None:
    assert all(f"`{name}`" in GUIDES["defenses.md"] for name in DEFENSES)


def test_the_guide_speaks_of_every_attack() -> None:
    names = [*STRATEGIES, *QUERIES, *DATA_FREE, *STUDENTS, *PEERS]
    # ResNets are named by the first and the last of them.
    assert [name for name in names if f"`{name}`" not in GUIDES["attacks.md"]] == ["resnet32", "resnet44"]


@pytest.mark.parametrize("name", GUIDES)
def test_the_guides_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", GUIDES[name]):
        assert (ROOT / "docs" / link).exists(), link


def test_commands_are_found() -> None:
    shown = {words[1] for words in commands()}
    assert shown >= {"export", "verify", "run", "accuracy", "bench", "doctor", "deploy", "flash", "compare"}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_and_options_exist(words: list[str]) -> None:
    command = cli.get_command(click.Context(cli), words[1])
    assert command is not None
    known = {flag for parameter in command.params for flag in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(blocks("sh")) + README.partition("## Developing")[2]))
    assert named >= {"demo", "test", "lint", "type"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_exit_codes_are_those_of_the_errors() -> None:
    table = {int(code) for code in re.findall(r"^\| (\d) \|", README, re.MULTILINE)}
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert table == {0} | {kind.exit_code for kind in kinds}
