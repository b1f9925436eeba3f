"""The sentences, above all the one that int8 may be slower (onnxruntime#20052)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgeguard.bench.demand_messages import Moment
from edgeguard.bench.demanded import Energy, sustained_figures
from edgeguard.bench.device_kind import DeviceKind
from edgeguard.bench.findings import find, find_demanded
from edgeguard.bench.intervals import Interval
from edgeguard.bench.result import CountRatio, Counts, Latency, Ratio
from edgeguard.bench.throttled import decode_throttled
from edgeguard.cpu import CpuFacts
from tests.bench.results import made_up_result

BOARD = DeviceKind("board", "says so", "Pi 4")
STATE = replace(made_up_result().after, throttled=decode_throttled("throttled=0x0"))


def cpu(dot_product: bool | None) -> CpuFacts:
    return CpuFacts("Cortex", None, (), dot_product)


def sentence(numerator: str, denominator: str, low: float, high: float, dot_product: bool | None = False) -> str:
    ratio = Ratio("r", numerator, denominator, Interval((low + high) / 2, low, high, 0.95))
    (found,) = find(BOARD, cpu(dot_product), STATE, [ratio], [])
    return found


@pytest.mark.parametrize(
    ("dot_product", "why"),
    [(False, "it has no dot-product"), (True, "although it has dot-product"), (None, "is unknown")],
)
def test_int8_slower_than_float_is_said_aloud(dot_product: bool | None, why: str) -> None:
    found = sentence("int8", "float", 1.2, 1.4, dot_product)
    assert found.startswith("int8 is SLOWER than float on this CPU, 1.300x")
    assert why in found


def test_int8_faster() -> None:
    assert sentence("int8", "float", 0.5, 0.6) == "int8 takes 0.550x (0.500 to 0.600) as long as float."


def test_int8_undecided() -> None:
    assert "same time" in sentence("int8", "float", 0.95, 1.15)
    assert "same time" in sentence("int8", "float", 0.85, 1.05)


def test_cost_of_the_defense() -> None:
    assert sentence("defended", "int8", 1.01, 1.03) == "defended against int8: 2.0% slower (between 1.0% and 3.0%)."
    assert "no difference that this run could see" in sentence("defended", "int8", 0.99, 1.03)
    assert sentence("defended", "int8", 0.97, 0.99) == "defended against int8: 2.0% faster (between 1.0% and 3.0%)."


def test_the_control_says_what_can_be_seen() -> None:
    assert "differences below 1.5% mean nothing" in sentence("control", "defended", 0.99, 1.015)
    assert "differences below 2.0% mean nothing" in sentence("control", "defended", 0.98, 1.015)


def test_a_missing_percentile_is_explained() -> None:
    latency = [Latency("a", 700, 1, 1, 1), Latency("b", 500, 1, 1, None), Latency("c", 400, 1, 1, None)]
    (found,) = find(BOARD, cpu(True), STATE, [], latency)
    assert "it needs 662, c has 400" in found
    assert find(BOARD, cpu(True), STATE, [], latency[:1]) == ()


def test_an_old_under_voltage_is_mentioned() -> None:
    (found,) = find(BOARD, cpu(True), replace(STATE, throttled=decode_throttled("throttled=0x10000")), [], [])
    assert "under-voltage" in found


def test_an_emulated_machine_is_named_first() -> None:
    (found,) = find(DeviceKind("emulated", "it is virt", None), cpu(True), STATE, [], [])
    assert "emulated (it is virt)" in found
    assert "no latency" in found


def test_instructions_are_called_instructions() -> None:
    ratios = [
        ("int8", "float", 0.53),
        ("defended", "int8", 1.024),
        ("defended", "float", 0.9),
        ("control", "int8", 1.0004),
    ]
    counts = Counts((), tuple(CountRatio("r", *entry) for entry in ratios), {})
    assert find(BOARD, cpu(True), STATE, [], [], counts) == (
        "int8 needs 0.530 of float's instructions.",
        "defended against int8: 2.4% more instructions.",
        "defended against float: 10.0% fewer instructions.",
        "The control's instructions differ by 0.04%: smaller differences of instructions mean nothing.",
    )
    emulated = find(DeviceKind("emulated", "it is virt", None), cpu(True), STATE, [], [], counts)
    assert "no latency" in emulated[0]
    assert "caches" in emulated[1]
    assert len(emulated) == 6


def long_run(**late: Any) -> tuple[str, ...]:
    first = Moment(60.0, 9, 1000, 2000, 1_800_000, 55.0, ())
    return find_demanded(sustained_figures("defended", [first, replace(first, elapsed_s=120.0, **late)]), None)


def test_a_pace_that_was_kept() -> None:
    assert long_run(median_ns=1010, temperature_c=61.25) == (
        "defended ended at 1.010x its first pace after 2.0 minutes without a pause: it is steady.",
        "Meanwhile the CPU ran at 1800 to 1800 MHz.",
        "Meanwhile it had 55.0 to 61.2 degrees Celsius.",
    )


def test_a_pace_that_was_lost_and_where_throttling_began() -> None:
    found = long_run(median_ns=2000, frequency_khz=900_000, throttled=("soft temperature limit", "throttled"))
    assert "ended at 2.000x its first pace" in found[0]
    assert "NOT steady" in found[0]
    assert found[1] == "Throttling began after 120 s: soft temperature limit, throttled."
    assert "900 to 1800 MHz" in found[2]


def test_an_unreadable_machine_is_not_called_healthy() -> None:
    found = long_run(throttled=None, frequency_khz=None, temperature_c=None)
    assert "Whether the firmware throttled meanwhile is unknown." in found


def test_energy_is_that_of_the_rails() -> None:
    (found,) = find_demanded(None, Energy((2.5, 2.7), ()))
    assert "2.60 W" in found
    assert "not of the wall socket" in found
    assert find_demanded(None, None) == ()
