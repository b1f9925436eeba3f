"""Conditions: which differences forbid a comparison, which are only told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgeguard.bench.compare_context import DECISIVE, Context, check_comparable, differences, result_context
from edgeguard.bench.result import Result
from edgeguard.errors import UsageError
from tests.bench.comparable import made_up_measurement

BASE = made_up_measurement(1)


def device(**changes: Any) -> Callable[[Result], Result]:
    return lambda result: replace(result, device=replace(result.device, **changes))


def cpu(**changes: Any) -> Callable[[Result], Result]:
    return lambda result: device(cpu=replace(result.device.cpu, **changes))(result)


def plan(**changes: Any) -> Callable[[Result], Result]:
    return lambda result: replace(result, plan=replace(result.plan, **changes))


def artifact(**changes: Any) -> Callable[[Result], Result]:
    return lambda result: replace(result, artifact=replace(result.artifact, **changes))


DECIDING: list[tuple[str, Callable[[Result], Result], str, str]] = [
    ("device_kind", lambda result: replace(result, device_kind="emulated"), "board", "emulated"),
    ("board", device(model="Raspberry Pi 5"), "Pi 4", "Raspberry Pi 5"),
    ("board", device(model=None), "Pi 4", "not said"),
    ("platform", device(machine="armv7l"), "Linux aarch64", "Linux armv7l"),
    ("cpu", cpu(model="Cortex-A76"), "Cortex-A72 (0x41:0xd08)", "Cortex-A76 (0x41:0xd08)"),
    ("cpu", cpu(model=None, part="0x41:0xfff"), "Cortex-A72 (0x41:0xd08)", "not said (0x41:0xfff)"),
    ("dot_product", cpu(dot_product=None), "no", "not said"),
    ("virtual", device(virtual=True), "not said", "yes"),
    ("cpus", device(cpus=2), "4", "2"),
    ("affinity", device(affinity=(3,)), "0,1,2,3", "3"),
    (
        "governor",
        lambda result: replace(result, before=replace(result.before, governor=("performance",))),
        "ondemand",
        "performance",
    ),
    ("threads", plan(threads=4), "1", "4"),
    ("spinning", plan(spinning=False), "yes", "no"),
    ("batch", artifact(batch=8), "1", "8"),
    ("input_shape", artifact(input_shape=(3, 224, 224)), "3x32x32", "3x224x224"),
]


def test_every_decisive_field_is_tested() -> None:
    assert {name for name, *_ in DECIDING} == set(DECISIVE) == set(result_context(BASE).decisive)


@pytest.mark.parametrize(("name", "change", "old", "new"), DECIDING)
def test_a_decisive_difference_is_refused_with_both_values_unless_ignored(
    name: str, change: Callable[[Result], Result], old: str, new: str
) -> None:
    before, after = result_context(BASE), result_context(change(BASE))
    with pytest.raises(UsageError) as refused:
        check_comparable(before, after)
    assert f"{name}: {old} -> {new}" in str(refused.value)
    assert f"--ignore {name}" in str(refused.value)
    (ignored,) = check_comparable(before, after, [name])
    assert (ignored.field, ignored.old, ignored.new) == (name, old, new)


def test_ignoring_one_field_ignores_no_other() -> None:
    after = result_context(plan(threads=2)(device(cpus=2)(BASE)))
    with pytest.raises(UsageError) as refused:
        check_comparable(result_context(BASE), after, ["cpus"])
    assert "threads" in str(refused.value)
    assert "cpus" not in str(refused.value)


def test_an_unknown_field_to_ignore_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"--ignore: no field is called 'kernel'.*governor"):
        check_comparable(result_context(BASE), result_context(BASE), ["kernel"])


TOLD: list[tuple[str, Callable[[Result], Result]]] = [
    ("kernel", device(kernel="6.18")),
    ("system", device(system="Debian 14")),
    ("highest frequency", device(frequency_max_khz=2400000)),
    ("memory", device(memory_kib=8 << 20)),
    ("cpu features", cpu(features=("asimd", "neon"))),
    ("onnxruntime", lambda result: replace(result, tools={"onnxruntime": "1.33.0"})),
    ("artifact", artifact(name="other.edgeguard")),
    ("target", artifact(target="rpi5")),
    ("defense", artifact(defense=None)),
    ("effort", plan(effort="thorough")),
    ("verdict", lambda result: replace(result, verdict=replace(result.verdict, status="unknown"))),
    (
        "engine",
        lambda result: replace(
            result,
            variants=tuple(
                replace(one, engine="ai-edge-litert", kernels="xnnpack") if one.name == "int8" else one
                for one in result.variants
            ),
        ),
    ),
    (
        "model of int8",
        lambda result: replace(
            result,
            variants=tuple(replace(one, sha256="d" * 64) if one.name == "int8" else one for one in result.variants),
        ),
    ),
    (
        "frequency under load",
        lambda result: replace(
            result,
            processes=tuple(
                replace(one, window=replace(one.window, frequency_khz=(1500000, 1500000))) for one in result.processes
            ),
        ),
    ),
]


@pytest.mark.parametrize(("name", "change"), TOLD)
def test_what_one_changes_on_purpose_is_told_and_does_not_forbid(name: str, change: Callable[[Result], Result]) -> None:
    before, after = result_context(BASE), result_context(change(BASE))
    assert check_comparable(before, after) == ()
    assert [entry.field for entry in differences(before.told, after.told)] == [name]


def test_a_frequency_that_flutters_is_not_told() -> None:
    windows = [replace(one.window, frequency_khz=(1790123, 1801234)) for one in BASE.processes]
    flutter = replace(
        BASE, processes=tuple(replace(one, window=w) for one, w in zip(BASE.processes, windows, strict=True))
    )
    assert differences(result_context(BASE).told, result_context(flutter).told) == ()


def test_a_decisive_field_must_be_one_that_can_be_ignored() -> None:
    with pytest.raises(ValueError, match="moon"):
        Context({"moon": "full"})
