"""Our quickest export beside plain ``quantize_static``: what each takes from the same float file, in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.int8.environments import ROOT
from benchmarks.int8.job import Job, Spent
from benchmarks.int8.subjects import Subject

__all__ = ["Beside", "beside", "in_markdown"]

_OURS, _THEIRS = "ours", "onnxruntime_static"
_SETTINGS = {_OURS: "fast", _THEIRS: "default"}


@dataclass(frozen=True)
class Beside:
    """Both in fresh processes, in turn; the libraries that each imports at its start are not timed."""

    ours: tuple[Spent, ...]
    theirs: tuple[Spent, ...]

    @property
    def ratio(self) -> float:
        """Median over pairs of neighbours of our seconds over theirs."""
        return median(a.seconds / b.seconds for a, b in zip(self.ours, self.theirs, strict=True))


def beside(subject: Subject, work: Path, repeats: int) -> Beside:
    """Measure; nothing is kept. Both run in this environment, so that they have one ONNX Runtime."""
    place = work / "beside"
    place.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Spent]] = {_OURS: [], _THEIRS: []}
    for repeat in range(repeats):
        # Who is first changes from one pair to the next.
        for peer in (_OURS, _THEIRS) if repeat % 2 else (_THEIRS, _OURS):
            found[peer].append(_once(subject, peer, place / f"{peer}-{repeat}"))
    return Beside(tuple(found[_OURS]), tuple(found[_THEIRS]))


def in_markdown(found: Beside) -> str:
    """A table of medians, and the ratios."""
    rows = [
        f"| {name} | {median(s.seconds for s in spent):.2f} | {min(s.seconds for s in spent):.2f} "
        f"| {median(s.mib for s in spent):.0f} |"
        for name, spent in (("edgeguard, fast", found.ours), ("onnxruntime, quantize_static", found.theirs))
    ]
    memory = median(s.mib for s in found.ours) / median(s.mib for s in found.theirs)
    return "\n".join(
        [
            "| | seconds, median | least | MiB |",
            "| --- | ---: | ---: | ---: |",
            *rows,
            "",
            f"Ratio of seconds, median of {len(found.ours)} pairs: {found.ratio:.2f}; of memory: {memory:.2f}.",
        ]
    )


def _once(subject: Subject, peer: str, place: Path) -> Spent:
    place.mkdir(exist_ok=True)
    job = Job(peer, _SETTINGS[peer], str(subject.model), None, str(subject.calibration), str(place / "int8.onnx"), 0)
    job.write(place / "job.json")
    # A table of an earlier run must not spare ours the calibration.
    for left in place.glob("int8.lab/*"):
        left.unlink()
    command = [sys.executable, "-m", "benchmarks.int8.work", str(place / "job.json")]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environ, check=True)
    return Spent(**json.loads(done.stdout.strip().splitlines()[-1]))
