"""``edgeguard export --effort``: what is done for the accuracy of int8, and what is told about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.calibration.effort import EFFORTS, REFINEMENTS
from edgeguard.manifest import QuantizationFacts
from tests.cli.inprocess import Here

USUAL = ("export", "model.onnx", "--int8", "--calibration", "images.npz", "--preprocess", "unit", "-o", "out.edgeguard")


def facts(desk: Path) -> QuantizationFacts:
    found = open_artifact(desk / "out.edgeguard").manifest.quantization
    assert found is not None
    return found


def test_the_default_is_fast_and_unmeasured(desk: Path, here: Here) -> None:
    done = here(*USUAL)
    assert done.code == 0, done.err
    assert "  refined: fast-bias\n" in done.out
    assert [(each.name, each.sqnr_after) for each in facts(desk).refinements] == [("fast-bias", None)]


def test_balanced_tells_what_each_refinement_did(desk: Path, here: Here) -> None:
    done = here(*USUAL, "--effort", "balanced")
    assert done.code == 0, done.err
    assert "images, percentile" in done.out
    for each in facts(desk).refinements:
        assert each.sqnr_before is not None
        assert each.sqnr_after is not None
        assert f"refined: {each.name}, logits {each.sqnr_before:.1f} -> {each.sqnr_after:.1f} dB" in done.out
        assert f"refining: {each.name}" in done.err
    assert tuple(each.name for each in facts(desk).refinements) == EFFORTS["balanced"].refinements
    assert done.out.count("therefore left out") == sum(not each.kept for each in facts(desk).refinements)


def test_refinements_one_by_one_and_another_observer(desk: Path, here: Here) -> None:
    chosen = ("--with", "equalize", "--with", "bias", "--without", "fast-bias", "--observer", "mse")
    done = here(*USUAL, *chosen)
    assert done.code == 0, done.err
    assert "images, mse" in done.out
    # Equalization belongs to the float network, and is not measured beside the others.
    assert [each.name for each in facts(desk).refinements] == ["bias"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--with", "bias", "--without", "bias"), 2, "both added and left out"),
        (("--with", "magic"), 2, "'magic' is not one of"),
        (("--effort", "most"), 2, "'most' is not one of"),
    ],
)
def test_contradictions_and_strangers(
    desk: Path, here: Here, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = here(*USUAL, *arguments)
    assert done.code == code
    assert words in done.err
    assert not (desk / "out.edgeguard").exists()


@pytest.mark.parametrize("option", ["--with", "--without"])
def test_refinements_are_of_int8(desk: Path, here: Here, option: str) -> None:
    done = here("export", "model.onnx", option, REFINEMENTS[0])
    assert done.code == 2
    assert f"{option}: means nothing without --int8" in done.err
