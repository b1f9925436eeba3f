"""Results of a made-up machine, valid, with processes that differ as real ones do."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from edgeguard.bench.messages import Block, ColdAnswer, Window
from edgeguard.bench.result import Cold, Counted, Counts, Process, Result
from edgeguard.bench.variants import Variant
from edgeguard.bench.verdict import Reason, Verdict
from tests.bench.results import made_up_result

__all__ = ["TIMES", "made_up_counts", "made_up_measurement"]

# Microseconds per run.
TIMES = {"float": 1000.0, "int8": 500.0, "defended": 510.0, "control": 510.0, "end-to-end": 600.0}


def made_up_measurement(
    seed: int,
    *,
    times: Mapping[str, float] = TIMES,
    processes: int = 10,
    noise: float = 0.01,
    shared: float = 0.0,
    peak_kib: int = 62000,
) -> Result:
    """A valid result.

    :param times: variant to its true duration, in microseconds.
    :param noise: standard deviation of the logarithm between processes, for each variant; a fifth of it within.
    :param shared: the same, for all variants of a process together.
    """
    rng = random.Random(seed)
    names = tuple(times)

    def one_process() -> Process:
        together = rng.gauss(0, shared)
        level = {name: times[name] * 2.718281828 ** (together + rng.gauss(0, noise)) for name in names}
        blocks = [
            Block(names, {name: tuple(_run(rng, level[name], noise) for _ in range(3)) for name in names})
            for _ in range(8)
        ]
        return Process(names, tuple(blocks), Window(1.0, 0.0, 0.0, None, 4, (1800000, 1800000)))

    def one_start() -> ColdAnswer:
        return ColdAnswer(20000000, 3000000, (1250000,), 50000, peak_kib + rng.randint(-100, 100))

    return replace(
        made_up_result(),
        variants=tuple(Variant(name, "model", f"{name}.onnx", "c" * 64) for name in names),
        skipped=(),
        cold=tuple(Cold(name, tuple(one_start() for _ in range(3))) for name in names if name != "control"),
        latency=(),
        ratios=(),
        verdict=Verdict("valid", ()),
        processes=tuple(one_process() for _ in range(processes)),
    )


def made_up_counts(seed: int, *, thousands: Mapping[str, float] = TIMES, first: int = 0) -> Result:
    """A result of an emulated machine.

    :param thousands: variant to its true number of instructions, in thousands.
    :param first: how many more the very first run of each variant needs.
    """
    rng = random.Random(seed)

    def counted(name: str) -> Counted:
        true = 1000 * thousands[name]
        runs = [round(true * (1 + rng.uniform(0, 0.001))) + 2000 for _ in range(9)]
        return Counted(name, (runs[0] + first, *runs[1:]), (), round(true), None)

    return replace(
        made_up_measurement(seed, times=thousands),
        device_kind="emulated",
        verdict=Verdict("unknown", (Reason("emulated", "times mean nothing", "unknown"),)),
        processes=(),
        counts=Counts(tuple(counted(name) for name in thousands), (), {"instructions": 2000}),
    )


def _run(rng: random.Random, microseconds: float, noise: float) -> int:
    return round(1000 * microseconds * (1 + abs(rng.gauss(0, noise / 5))))
