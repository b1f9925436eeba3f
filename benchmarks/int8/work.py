"""One quantizer at work, in its own environment: ``python -m benchmarks.int8.work JOB.json`` prints what it took."""

from __future__ import annotations

import importlib
import json
import random
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.int8.job import Job, Spent

__all__ = ["main", "peak_mib"]


def main(path: str) -> None:
    job = Job.read(Path(path))
    random.seed(job.seed)
    np.random.seed(job.seed)  # noqa: NPY002 - what peers draw from
    quantize = importlib.import_module(f"benchmarks.int8.peers.{job.peer}").quantize
    began = time.perf_counter()
    quantize(job)
    print(json.dumps(asdict(Spent(time.perf_counter() - began, peak_mib()))))


def peak_mib() -> float:
    """Peak resident memory of this process or of its largest child.

    ``ru_maxrss`` of a process begins with that of the process it was forked from; ``VmHWM`` does not.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


if __name__ == "__main__":
    main(sys.argv[1])
