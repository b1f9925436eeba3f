"""What a defense costs on the host: the numpy post-processor over a plain numpy softmax.

    .venv/bin/python benchmarks/host_cost.py --write

Prints ``DEFENSE HEAD CLASSES BATCH RATIO LOW HIGH`` for each. The plain softmax takes the same float32 logits and does
max, subtract, exp, sum and divide; of integer logits it dequantizes first, as any host has to. Both run in turn in the
same fresh processes; the interval is Student's t over these. ``A/A`` is the softmax against itself.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from edgeguard.bench.intervals import Interval, ratio_interval
from edgeguard.bench.timing import undisturbed
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from tests.defenses.fitted import defense

RESULT = Path(__file__).with_name("results") / "host_cost.md"
Array = np.ndarray[Any, Any]
Call = Callable[[Array], Array]
Case = tuple[str, str, int, int]

DEFENSES = ("A/A", "decoy", "decoy+max-logit")
HEADS = ("float32", "uint8")
SIZES = ((10, 1), (10, 1000), (1000, 1), (1000, 1000))
# Demanded of the interval's upper end with 10 classes.
LIMIT = 1.5
_TURN_MS = 2.0


def head_of(kind: str, classes: int) -> Head:
    return Head("logits", classes) if kind == "float32" else Head("logits", classes, "uint8", 0.125, 100)


def softmax(head: Head) -> Call:
    """As one would write it without this project."""
    scale, zero = np.float32(head.scale or 1), np.float32(head.zero_point or 0)

    def plain(logits: Array) -> Array:
        shifted = logits - logits.max(axis=-1, keepdims=True)
        exponentials = np.exp(shifted)
        result: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return result

    if head.scale is None:
        return plain
    return lambda raw: plain((raw.astype(np.float32) - zero) * scale)


def calls(case: Case) -> tuple[Call, Call, Array]:
    """What is compared, and what with."""
    name, kind, classes, batch = case
    head = head_of(kind, classes)
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 3, (batch, classes)).astype(np.float32)
    if kind != "float32":
        raw = np.clip(np.rint(raw / 0.125) + 100, 0, 255).astype(np.uint8)
    plain = softmax(head)
    if name == "A/A":
        return softmax(head), plain, raw
    response, _, score = name.partition("+")
    return PostProcessor(head, defense(response, head, score or None)), plain, raw  # type: ignore[arg-type]


def logs(job: tuple[Case, int, int]) -> list[float]:
    """Per block the log of the ratio of the medians, in this process."""
    case, blocks, seed = job
    first, second, raw = calls(case)
    order = [first, second]
    rng = random.Random(seed)
    begin = time.perf_counter()
    for call in order * 3:
        call(raw)
    runs = max(3, min(200, int(_TURN_MS * 6e-3 / (time.perf_counter() - begin))))
    found = []
    with undisturbed():
        for _ in range(blocks):
            rng.shuffle(order)
            medians = {call: _median(call, raw, runs) for call in order}
            found.append(math.log(medians[first] / medians[second]))
    return found


def _median(call: Call, raw: Array, runs: int) -> float:
    clock = time.perf_counter_ns
    samples = []
    for _ in range(runs):
        begin = clock()
        call(raw)
        samples.append(clock() - begin)
    return float(np.median(samples))


def measure(case: Case, processes: int, blocks: int) -> Interval:
    """The ratio over fresh processes, one after the other."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        found = pool.map(logs, [(case, blocks, seed) for seed in range(processes)], chunksize=1)
    interval = ratio_interval([np.array(each) for each in found])
    assert interval is not None
    return interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only to see it run: nothing follows from its figures")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    options = parser.parse_args()
    sizes = SIZES[:1] if options.quick else SIZES
    processes, blocks = (2, 4) if options.quick else (options.processes, 24)
    rows = []
    for case in [(name, kind, *size) for size in sizes for kind in HEADS for name in DEFENSES]:
        found = measure(case, processes, blocks)
        print(*case, *(f"{value:.3f}" for value in (found.estimate, found.low, found.high)), flush=True)
        rows.append((case, found))
    if options.write:
        RESULT.write_text(report(rows, processes))


def report(rows: list[tuple[Case, Interval]], processes: int) -> str:
    """The whole result, for a person."""
    command = " ".join(["python", "benchmarks/host_cost.py", *sys.argv[1:]])
    lines = [
        "# What defenses cost on the host",
        "",
        f"`{command}`, {machine()}.",
        "",
        "Time of the numpy post-processor over that of a plain numpy softmax of the same logits (dequantized first",
        f"where they are integers): {processes} fresh processes, 95 % intervals by Student's t. Demanded with 10",
        f"classes: at most {LIMIT}.",
        "",
        "| defense | head | classes | batch | ratio | interval | limit |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (name, kind, classes, batch), found in rows:
        said = "" if classes != 10 or name == "A/A" else "held" if found.high <= LIMIT else "missed"
        lines.append(
            f"| {name} | {kind} | {classes} | {batch} | {found.estimate:.2f} | {found.low:.2f} to {found.high:.2f} "
            f"| {said} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
