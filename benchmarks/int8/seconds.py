"""Our quickest quantization and export beside plain ``quantize_static``, each from the same float file, in turn."""

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

_THEIRS = "onnxruntime_static"
# Modules of :mod:`benchmarks.int8.peers`, what is asked of each, and what the table calls it.
_SETTINGS = {"ours_alone": "fast", _THEIRS: "default", "ours": "fast"}
_CALLED = {
    "ours_alone": "edgeguard, fast: from .onnx to .onnx",
    _THEIRS: "onnxruntime, quantize_static",
    "ours": "edgeguard, fast: the whole export",
}


@dataclass(frozen=True)
class Beside:
    """In fresh processes, in turn; the libraries that each imports at its start are not timed.

    :param spent: by module, one entry a round.
    """

    spent: dict[str, tuple[Spent, ...]]

    def seconds(self, module: str) -> float:
        """Median over rounds of its seconds over theirs."""
        pairs = zip(self.spent[module], self.spent[_THEIRS], strict=True)
        return median(ours.seconds / theirs.seconds for ours, theirs in pairs)

    def memory(self, module: str) -> float:
        """Median over rounds of its peak memory over theirs."""
        pairs = zip(self.spent[module], self.spent[_THEIRS], strict=True)
        return median(ours.mib / theirs.mib for ours, theirs in pairs)


def beside(subject: Subject, work: Path, repeats: int) -> Beside:
    """Measure; nothing is kept. All run in this environment, so that they have one ONNX Runtime."""
    place = work / "beside"
    place.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Spent]] = {module: [] for module in _SETTINGS}
    for repeat in range(repeats):
        # Who is first changes from one round to the next.
        for module in list(_SETTINGS)[:: -1 if repeat % 2 else 1]:
            found[module].append(_once(subject, module, place / f"{module}-{repeat}"))
    return Beside({module: tuple(spent) for module, spent in found.items()})


def in_markdown(found: Beside) -> str:
    """A table of medians, and the ratios."""
    rows = []
    for module, spent in found.spent.items():
        seconds = [each.seconds for each in spent]
        rows.append(
            f"| {_CALLED[module]} | {median(seconds):.2f} | {min(seconds):.2f} | {found.seconds(module):.2f} "
            f"| {median(each.mib for each in spent):.0f} | {found.memory(module):.2f} |"
        )
    head = "| | seconds, median | least | ratio | MiB | ratio |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    return "\n".join(
        [head, *rows, "", f"Ratios to `quantize_static`: medians over {len(found.spent[_THEIRS])} rounds."]
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
