"""Target profiles."""

from __future__ import annotations

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
    """U8S8 per channel everywhere; 7-bit weights only where the CPU's multiply-add saturates."""
    target = TARGETS[name]
    assert (target.activation_type, target.weight_type, target.per_channel) == ("uint8", "int8", True)
    assert target.reduce_range == (name == "x86-64")


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_opset_and_ir_version_belong_to_one_release(name: str) -> None:
    """The pair that ONNX's own table of releases gives for the opset; anything newer fails on the device."""
    target = TARGETS[name]
    releases = {row[2]: row[1] for row in onnx.helper.VERSION_TABLE}
    assert target.ir_version == releases[target.opset]
    assert target.opset <= defs.onnx_opset_version()
