"""What one query costs behind each defense and each peer, on the same victim, in one run.

    .venv/bin/python benchmarks/query_cost.py --reference ../shared/reference --write

Batch 1, one thread, fresh processes one after the other; in each, everything is timed in turn, in a new order in every
block. Prints ``NET GROUP NAME RATIO LOW HIGH ADDED LOW HIGH``: the ratio to the undefended victim of the same group,
which is the same network in the same engine, and the added microseconds, with 95 % intervals by Student's t over
processes. Run it on an otherwise idle machine; how busy it was stands in the result.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.cost.queries import QUERIED, Durations, Subject, measured, subjects
from edgeguard.bench.intervals import Interval, ratio_interval, trimmed_mean
from edgeguard.bench.student import t_quantile

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "query_cost.md"
_CONFIDENCE = 0.95
# What is divided by what, in the headline.
_DEAR = ("mad", "mad, all weights", "mad-argmax", "grad2", "modelguard-w", "adaptive-misinformation")
_EXPLAINED = (
    "Load average {:.1f} when the run began and {:.1f} at its end, on {} cores; the run itself is 1 of it, at "
    "niceness {}. Batch 1, one thread, all in one run in turn; {} fresh processes of {} blocks, 95 % intervals by "
    "Student's t over processes. *Ratio*: to the undefended victim, the first row of its group. *Added*: microseconds "
    "beyond it. All microseconds are those of this machine in this run. A second network or a surrogate is as large as "
    "the victim. `modelguard-w` is solved by code of ours, not by the solver of linear programs that its authors call; "
    "MAD's gradients are those of the last matrix, as its authors' are, unless all weights are named. Defenses with "
    "`numpy` follow the torch network on the host. Where a column adds nothing that can be told from noise, *>* is the "
    "lower end of what the peer adds over the upper end of what the column adds."
)
_SEED = ("torch", "dcp, numpy")
# Khaled et al., arXiv 2309.01838, abstract.
_CLAIMED = "37 times"
_CHEAP = (
    ("torch", "dcp, numpy"),
    ("torch", "decoy+max-logit, numpy"),
    ("float", "dcp"),
    ("int8, float head", "dcp"),
    ("float", "decoy+max-logit"),
    ("int8, int8 head", "decoy+max-logit"),
)


@dataclass(frozen=True)
class Row:
    """One subject.

    :param centre: microseconds, of this machine in this run.
    :param ratio: to its group's undefended victim; ``added`` likewise, in microseconds.
    :param per_process: added microseconds of each process; ``medians`` likewise, of all.
    """

    net: str
    subject: Subject
    centre: float
    ratio: Interval
    added: tuple[float, float, float]
    per_process: tuple[float, ...]
    medians: tuple[float, ...]

    def line(self) -> str:
        figures = (self.ratio.estimate, self.ratio.low, self.ratio.high, *self.added)
        return " | ".join([self.net, self.subject.group, self.subject.name, *(f"{figure:.4g}" for figure in figures)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--nets", nargs="+", choices=sorted(QUERIED), default=list(QUERIED), metavar="NET")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="only to see it run: nothing follows from its figures")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    options = parser.parse_args()
    processes, blocks = (2, 2) if options.quick else (options.processes, options.blocks)
    before = os.getloadavg()[0]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.nets:
            found = rows_of(name, options.reference, Path(scratch), processes, blocks)
            for row in found:
                print(row.line(), flush=True)
            rows += found
    if options.write:
        RESULT.write_text(report(rows, processes, blocks, (before, os.getloadavg()[0])))


def rows_of(name: str, reference: Path, scratch: Path, processes: int, blocks: int) -> list[Row]:
    """Measure everything around one victim."""
    timed = subjects(QUERIED[name], reference, scratch)
    jobs = [(name, timed, reference, blocks, seed) for seed in range(processes)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        done = pool.starmap(_job, jobs, chunksize=1)
    plain = {one.group: one for one in timed if one.plain}
    return [_row(name, one, plain[one.group], done) for one in timed]


def _job(name: str, timed: list[Subject], reference: Path, blocks: int, seed: int) -> Durations:
    return measured(QUERIED[name], timed, reference, blocks, seed)


def _row(net: str, subject: Subject, plain: Subject, done: Sequence[Durations]) -> Row:
    mine = [np.array(each[subject.label]) for each in done]
    bare = [np.array(each[plain.label]) for each in done]
    ratio = ratio_interval([np.log(one / other) for one, other in zip(mine, bare, strict=True)])
    assert ratio is not None
    differences = np.array([float(trimmed_mean(one - other)) for one, other in zip(mine, bare, strict=True)])
    medians = tuple(float(np.median(one)) for one in mine)
    centre = float(np.exp(np.log(medians).mean()))
    return Row(net, subject, centre, ratio, _interval(differences), tuple(differences.tolist()), medians)


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    centre, spread = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    half = t_quantile(0.5 + _CONFIDENCE / 2, len(values) - 1) * spread
    return centre, centre - half, centre + half


def report(rows: Sequence[Row], processes: int, blocks: int, load: tuple[float, float]) -> str:
    """The whole result, for a person."""
    command = " ".join(["python", "benchmarks/query_cost.py", *sys.argv[1:]])
    cores = os.cpu_count() or 1
    lines = [
        "# What one query costs",
        "",
        f"`{command}`, {machine()}, torch {version('torch')}.",
        "",
        *textwrap.wrap(_EXPLAINED.format(*load, cores, os.nice(0), processes, blocks), 120),
    ]
    for net in dict.fromkeys(row.net for row in rows):
        lines += ["", f"## {net}", "", *_headline([row for row in rows if row.net == net]), ""]
        lines += ["| group | answers | us | ratio | interval | added us | interval |", "| " + "--- | " * 7]
        for row in (row for row in rows if row.net == net):
            lines.append(_line(row))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _line(row: Row) -> str:
    known = f"| {row.subject.group} | {row.subject.name} | {row.centre:.1f} |"
    if row.subject.plain:
        return f"{known} | | | |"
    (centre, low, high), ratio = row.added, row.ratio
    return (
        f"{known} {ratio.estimate:.3f} | {ratio.low:.3f} to {ratio.high:.3f} | {centre:.1f} | {low:.1f} to {high:.1f} |"
    )


def _headline(rows: Sequence[Row]) -> list[str]:
    """Added cost of what is dear over added cost of what is cheap."""
    known = {(row.subject.group, row.subject.name): row for row in rows}
    latency = f"latency: {_SEED[1]} ({_SEED[0]})"
    lines = [
        f"A peer's latency divided by that of DCP on the same torch network, where the seed paper says {_CLAIMED}; and",
        "what the peer adds divided by what each of these adds:",
        "",
        f"| peer | {latency} | " + " | ".join(f"{name} ({group})" for group, name in _CHEAP) + " |",
        "| " + "--- | " * (len(_CHEAP) + 2),
    ]
    for dear in _DEAR:
        peer = known[("torch", dear)]
        cells = [_over(peer.medians, known[_SEED].medians), *(_times(peer, known[cheap]) for cheap in _CHEAP)]
        lines.append(f"| {dear} | " + " | ".join(cells) + " |")
    return lines


def _times(dear: Row, cheap: Row) -> str:
    """How many times as much; unknown, or a lower bound, where what was added cannot be told from noise."""
    if cheap.added[1] <= 0 or min(*cheap.per_process, *dear.per_process) <= 0:
        return f"> {dear.added[1] / cheap.added[2]:.3g}" if cheap.added[2] > 0 and dear.added[1] > 0 else "unknown"
    return _over(dear.per_process, cheap.per_process)


def _over(dear: Sequence[float], cheap: Sequence[float]) -> str:
    found = ratio_interval([np.log([one / other]) for one, other in zip(dear, cheap, strict=True)])
    assert found is not None
    return f"{found.estimate:.3g} ({found.low:.3g} to {found.high:.3g})"


if __name__ == "__main__":
    main()
