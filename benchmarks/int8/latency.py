"""How long each quantized network takes beside its float twin, all of them in turn in the same processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.cost.measuring import Effort, measure, ratio
from benchmarks.int8.subjects import Subject
from edgeguard.bench.intervals import Interval

__all__ = ["latencies"]

FLOAT = "float"
_INPUTS = 8
_EFFORT = Effort(processes=4, blocks=8, runs=20, copies=1)


def latencies(subject: Subject, models: Mapping[str, Path], work: Path) -> dict[str, Interval]:
    """int8 over float by name, on one thread, batch 1.

    :param models: int8 files by name.
    """
    inputs = work / subject.name / "inputs.npy"
    np.save(inputs, np.load(subject.test, mmap_mode="r")[:_INPUTS][:, None])
    every = {FLOAT: subject.model, **models}
    content = hashlib.sha256(b"".join(path.read_bytes() for path in every.values())).hexdigest()
    kept = work / subject.name / f"latency-{content[:12]}.jsonl"
    done = measure(every, inputs, _EFFORT, kept, subject.run_ms, lambda _: None)
    return {name: ratio(done, name, FLOAT) for name in models}
