"""Timing variants against each other: fresh processes, several sessions of each variant in each, what is done kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.bench.intervals import Interval, ratio_interval
from edgeguard.bench.messages import Block, Subject
from edgeguard.bench.sampling import sample
from edgeguard.bench.settings import Settings, make_plan

__all__ = ["Effort", "Log", "measure", "ratio"]

Array = np.ndarray[Any, Any]
# Per process the log of the median duration in nanoseconds of each variant in each block.
Log = dict[str, list[float]]
_COPY = "#"


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    :param copies: sessions of each variant in one process. Where weights come to lie in memory makes two sessions of
        one model differ by some tenths of a percent, and each session has its own luck.
    """

    processes: int
    blocks: int
    runs: int
    copies: int


def measure(
    models: dict[str, Path],
    inputs: Path,
    effort: Effort,
    kept: Path,
    run_ms: float,
    progress: Callable[[int], None],
) -> list[Log]:
    """One entry for each process; those that ``kept`` holds already are not measured again.

    :param models: by the name of the variant.
    :param inputs: an ``.npy`` of finished inputs ``[n, 1, *shape]``.
    :param kept: a file with a line of JSON for each process that is done. It belongs to these models and this effort.
    :param run_ms: how long one run takes, about.
    """
    done: list[Log] = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    subjects = [
        Subject(
            f"{name}{_COPY}{copy}",
            str(path),
            "session",
            str(inputs),
            format="tflite" if path.suffix == ".tflite" else "onnx",
        )
        for name, path in models.items()
        for copy in range(effort.copies)
    ]
    for index in range(len(done), effort.processes):
        settings = Settings("quick", processes=1, blocks=effort.blocks, runs=effort.runs, seed=index)
        plan = make_plan(settings, {subject.name: run_ms for subject in subjects})
        (process,) = sample(subjects, plan, lambda _: None, run_ms * len(subjects))
        log = {name: [_centre(block, name, effort.copies) for block in process.blocks] for name in models}
        with kept.open("a") as file:
            file.write(json.dumps(log) + "\n")
        done.append(log)
        progress(index + 1)
    return done[: effort.processes]


def ratio(done: Sequence[Log], numerator: str, denominator: str) -> Interval:
    """How much longer one variant takes: Student's t over processes."""
    logs = [np.array(each[numerator]) - np.array(each[denominator]) for each in done]
    found = ratio_interval(logs)
    assert found is not None
    return found


def _centre(block: Block, name: str, copies: int) -> float:
    """The mean over a variant's sessions of the log of their median durations."""
    medians = [float(np.median(block.samples_ns[f"{name}{_COPY}{copy}"])) for copy in range(copies)]
    return sum(math.log(median) for median in medians) / copies
