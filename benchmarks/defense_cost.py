"""What each defense costs in the graph: latency of a defended int8 network over that of the undefended one.

    .venv/bin/python benchmarks/defense_cost.py --reference ../shared/reference --write

Batch 1, one thread. Prints ``DEFENSE NET RATIO LOW HIGH`` for each: the ratio to the same network with the same kind of
head that ends in softmax, and its 95 % interval by Student's t over processes. Answers from a table are given on int8
logits, so that they are compared with dequantized logits and a softmax; the others on float logits. ``--write`` adds
the ratio to the float head for all of them. ``A/A`` is an undefended network against itself: how far to trust the rest.

What was measured is kept in ``--scratch`` and goes on where it was stopped. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.cost.measuring import Effort, Log, measure, ratio
from benchmarks.cost.networks import NETS, HeadKind, Net, pictures, quantized
from benchmarks.cost.variants import CONTROLS, PLAIN, listed, variants
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Subject
from edgeguard.bench.sampling import cold_start

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "defense_cost.md"
FULL = Effort(processes=24, blocks=24, runs=20, copies=2)
QUICK = Effort(processes=2, blocks=4, runs=5, copies=1)
# Demanded of the intervals' upper ends, on the ResNets.
LIMITS = {"label": 1.00, "codebook": 1.01, "decoy": 1.01, "dcp": 1.03} | {
    f"{name}+max-logit": 1.02 for name in ("label", "codebook", "decoy")
}
_INPUTS = 8
TIMED = ("resnet20", "resnet8", "lenet", "wide1000")


@dataclass(frozen=True)
class Row:
    """One variant of one network.

    :param same: the ratio to the undefended network with the same head; ``to_float`` to the one with a float head.
    """

    defense: str
    net: str
    head: HeadKind
    same: Interval
    to_float: Interval

    def line(self) -> str:
        return f"{self.defense} {self.net} {self.same.estimate:.4f} {self.same.low:.4f} {self.same.high:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--nets", nargs="+", choices=sorted(NETS), default=TIMED, metavar="NET")
    parser.add_argument("--defenses", nargs="+", choices=[name for name, _, _ in listed()], metavar="DEFENSE")
    parser.add_argument("--processes", type=int, default=FULL.processes)
    parser.add_argument("--copies", type=int, default=FULL.copies, help="sessions of each variant in a process")
    parser.add_argument("--quick", action="store_true", help="only to see it run: nothing follows from its figures")
    parser.add_argument("--scratch", type=Path, help="where models and measurements are kept")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    options = parser.parse_args()
    effort = QUICK if options.quick else Effort(options.processes, FULL.blocks, FULL.runs, options.copies)
    names = None if options.defenses is None else frozenset(options.defenses)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        for net in options.nets:
            rows += rows_of(NETS[net], options.reference, scratch, effort, names)
    if options.write:
        RESULT.write_text(report(rows, effort))


def rows_of(net: Net, reference: Path, scratch: Path, effort: Effort, names: frozenset[str] | None) -> list[Row]:
    """Measure a network, and print its lines."""
    heads: dict[str, HeadKind] = {}
    digest = hashlib.sha256(repr((effort.blocks, effort.runs, effort.copies)).encode())
    models: dict[str, Path] = {}
    for number, variant in enumerate(variants(quantized(net, reference, scratch), names)):
        models[variant.name] = scratch / f"{net.name}-{number}.onnx"
        content = variant.model.SerializeToString(deterministic=True)
        models[variant.name].write_bytes(content)
        digest.update(variant.name.encode() + content)
        heads[variant.name] = variant.head
    inputs = scratch / f"{net.name}.npy"
    np.save(inputs, pictures(net, _INPUTS)[:, None])
    warm = cold_start(Subject("plain", str(models[PLAIN["float"]]), "session", str(inputs)), threads=1).warm_ns
    # Whatever was measured of other graphs, or otherwise, must not be taken for these.
    kept = scratch / f"{net.name}-{digest.hexdigest()[:12]}.jsonl"
    done = measure(models, inputs, effort, kept, float(np.median(warm)) / 1e6, lambda count: _tell(net, count, effort))
    rows = [_row(done, name, net, heads[name]) for name in models if name not in PLAIN.values()]
    for row in rows:
        print(row.line(), flush=True)
    centre = math.exp(float(np.mean([np.median(log[PLAIN["float"]]) for log in done]))) / 1e3
    print(f"{net.name}: {centre:.1f} us undefended", file=sys.stderr)
    return rows


def _row(done: Sequence[Log], name: str, net: Net, head: HeadKind) -> Row:
    return Row(name, net.name, head, ratio(done, name, PLAIN[head]), ratio(done, name, PLAIN["float"]))


def _tell(net: Net, count: int, effort: Effort) -> None:
    print(f"{net.name}: process {count} of {effort.processes}", file=sys.stderr, flush=True)


def report(rows: Sequence[Row], effort: Effort) -> str:
    """The whole result, for a person."""
    command = f"python benchmarks/defense_cost.py --processes {effort.processes} --copies {effort.copies} --write"
    lines = [
        "# What defenses cost in the graph",
        "",
        f"`{command}`, {machine()}.",
        "",
        "Latency over that of the undefended network, batch 1, one thread: "
        f"{effort.processes} fresh processes, {effort.copies} sessions",
        "of each variant in each, 95 % intervals by Student's t over processes. *Same head*: against the network that",
        "ends in softmax behind the same kind of head. *Float head*: against the one whose logits stay float. *Limit*:",
        "what the upper end for the same head must not exceed, demanded of the two ResNets.",
        "",
        "| network | defense | head | same head | interval | limit | float head | interval |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        limit = LIMITS.get(row.defense) if row.net.startswith("resnet") else None
        said = "" if limit is None else f"{limit:.2f}, {'held' if row.same.high <= limit else 'missed'}"
        lines.append(
            f"| {row.net} | {row.defense} | {row.head} | {row.same.estimate:.4f} | {_ends(row.same)} | {said} "
            f"| {row.to_float.estimate:.4f} | {_ends(row.to_float)} |"
        )
    controls = [row.same for row in rows if row.defense in CONTROLS.values()]
    honest = sum(not control.excludes_one for control in controls)
    lines += [
        "",
        f"Controls whose interval holds 1: {honest} of {len(controls)}. The upper ends of `label` are 1.00 to the two",
        "decimals of its limit; whether it costs a little more or less than the softmax, these controls cannot tell.",
    ]
    return "\n".join(lines) + "\n"


def _ends(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"


if __name__ == "__main__":
    main()
