"""Target profiles."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import defs

from edgeguard.errors import UsageError
from edgeguard.targets import DEFAULT_TARGET, TARGETS, find_target


def test_the_profiles_of_the_issue_exist() -> None:
    assert set(TARGETS) == {"rpi3", "rpi4", "rpi5", "rpi-zero2w", "arm64", "x86-64", "x86-64-vnni"}
    assert DEFAULT_TARGET == "arm64"
    assert find_target("rpi4").name == "rpi4"


def test_an_unknown_target_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"no target 'rpi2'.*rpi3, rpi4"):
        find_target("rpi2")


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_numeric_types(name: str) -> None:
    """Signed activations where they take fewer instructions; 7-bit weights where the CPU's multiply-add saturates."""
    target = TARGETS[name]
    activations = "int8" if name == "rpi5" else "uint8"
    assert (target.activation_type, target.weight_type, target.per_channel) == (activations, "int8", True)
    assert target.reduce_range == (name == "x86-64")


@pytest.mark.parametrize(
    ("name", "core"),
    [("rpi3", "cortex-a53"), ("rpi-zero2w", "cortex-a53"), ("rpi4", "cortex-a72"), ("rpi5", "cortex-a76")],
)
def test_the_profiles_follow_the_measurement(name: str, core: str) -> None:
    """On every network that was counted, the profile's numeric types take the fewest instructions on its core."""
    text = (Path(__file__).parents[2] / "benchmarks/results/instructions.md").read_text()
    tables = text.split("\n## ")[1:]
    assert len(tables) == 3
    for table in tables:
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]
        column = rows[0].index(core)
        counts = {row[0]: float(row[column]) for row in rows[2:]}
        fewest = min(("int8 U8S8", "int8 S8S8"), key=counts.__getitem__)
        assert fewest == {"uint8": "int8 U8S8", "int8": "int8 S8S8"}[TARGETS[name].activation_type]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_opset_and_ir_version_belong_to_one_release(name: str) -> None:
    """The pair that ONNX's own table of releases gives for the opset; anything newer fails on the device."""
    target = TARGETS[name]
    releases = {row[2]: row[1] for row in onnx.helper.VERSION_TABLE}
    assert target.ir_version == releases[target.opset]
    assert target.opset <= defs.onnx_opset_version()
