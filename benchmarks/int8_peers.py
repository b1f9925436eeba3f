"""Quantizing to int8 after training: edgeguard beside onnxruntime, NNCF, AMD Quark, AIMET and Brevitas.

    .venv/bin/python benchmarks/int8_peers.py --work DIRECTORY --write

Every quantizer works in an environment of its own below the work directory, from the same float ``.onnx`` (Brevitas:
the same torch module) and the same 256 images. What comes out is made to end in float logits, whoever made it, and is
run by one ONNX Runtime. What is done lies in the work directory and is not done again; delete it there to repeat it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.int8.latency import latencies
from benchmarks.int8.logits import logits_of
from benchmarks.int8.registry import PEERS
from benchmarks.int8.report import Line, lines_of, table, to_json
from benchmarks.int8.rows import Row, is_done, row
from benchmarks.int8.seconds import Beside, beside, in_markdown
from benchmarks.int8.subjects import CALIBRATED_ON, KNOWN, Subject, given, known

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "int8_peers.md"
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="environments, networks and what is done")
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--nets", nargs="*", choices=list(KNOWN), default=list(KNOWN), metavar="NET")
    parser.add_argument("--network", metavar="NAME=FILE.onnx", help="one of yours; with --calibration and --test")
    parser.add_argument("--calibration", type=Path, help=".npy of finished inputs")
    parser.add_argument("--test", type=Path, help=".npz of finished inputs x and labels y")
    parser.add_argument("--only", nargs="+", metavar="QUANTIZER[-SETTINGS]", help="these rows; default: all")
    parser.add_argument("--minutes", type=float, default=60.0, help="longest that one row may take to quantize")
    parser.add_argument("--done", action="store_true", help="only rows that are done already")
    parser.add_argument("--no-latency", action="store_true", help="do not time the networks")
    parser.add_argument("--repeats", type=int, default=7, help="of our quickest export beside quantize_static")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name} and the .json beside it")
    options = parser.parse_args()
    work: Path = options.work.resolve()
    before = os.getloadavg()[0]
    lines: dict[str, list[Line]] = {}
    floats: dict[str, float] = {}
    subjects = list(_subjects(options, work))
    for subject in subjects:
        rows = list(_rows(subject, work, options))
        models = {each.place.name: each.model for each in rows if not each.why}
        timed = {} if options.no_latency or not models else latencies(subject, models, work)
        floats[subject.name], lines[subject.name] = lines_of(subject, rows, _exact(subject, work), timed)
        print(f"{subject.name}, float {floats[subject.name]:.2f} %\n{table(lines[subject.name])}", flush=True)
    in_seconds = beside(subjects[0], work, options.repeats) if options.repeats else None
    if in_seconds is not None:
        print(in_markdown(in_seconds))
    if options.write:
        load = (before, os.getloadavg()[0])
        RESULT.write_text(report(lines, floats, in_seconds, subjects[0].name, load))
        about = {"machine": machine(), "seed": SEED, "load": load, "float_top1": floats}
        to_json(lines, about, RESULT.with_suffix(".json"))


def _subjects(options: argparse.Namespace, work: Path) -> Iterable[Subject]:
    for name in options.nets:
        yield known(name, options.reference, work / "data")
    if options.network is not None:
        name, _, file = options.network.partition("=")
        yield given(name, Path(file).resolve(), options.calibration.resolve(), options.test, work / "data")


def _rows(subject: Subject, work: Path, options: argparse.Namespace) -> Iterable[Row]:
    for peer in PEERS:
        for settings in peer.settings:
            if options.only is not None and not {peer.name, f"{peer.name}-{settings}"} & set(options.only):
                continue
            if options.done and not is_done(subject, peer, settings, work):
                continue
            made = row(subject, peer, settings, work, 60 * options.minutes, SEED)
            took = made.why or (f"{made.spent.seconds:.1f} s" if made.spent else "")
            print(f"{subject.name} {peer.name} {settings}: {took}", file=sys.stderr, flush=True)
            yield made


def _exact(subject: Subject, work: Path) -> np.ndarray:
    kept = work / subject.name / "float.logits.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, logits_of(subject.model, np.load(subject.test, mmap_mode="r")))
    return np.load(kept)


def report(
    lines: dict[str, list[Line]],
    floats: dict[str, float],
    in_seconds: Beside | None,
    timed: str,
    load: tuple[float, float],
) -> str:
    """The whole result, for a person."""
    used = sorted({version for each in lines.values() for line in each for version in line.versions})
    parts = [
        "# Quantizing to int8, beside other quantizers",
        f"`python benchmarks/int8_peers.py --work DIRECTORY --write`, {machine()}, seed {SEED}. In the quantizers' "
        f"environments: {', '.join(used)}. Load of the machine before and after: {load[0]:.1f}, {load[1]:.1f}.",
        _HOW,
    ]
    for name, each in lines.items():
        parts += [f"## {name}, float {floats[name]:.2f} %", table(each)]
    if in_seconds is not None:
        parts += [f"## Time and memory, {timed}", _SECONDS, in_markdown(in_seconds)]
    return "\n\n".join(parts) + "\n"


_HOW = f"""\
All from one float file with BatchNorm folded (Brevitas: the same torch module) and {CALIBRATED_ON} images; all files
end in float logits, and one ONNX Runtime runs them. The interval is of the paired difference, 95 %. SQNR is that of the
logits over the test set; "of unseen" leaves out the test images that were calibrated on, too (MobileNetV1: there are
but 500 photos). Latency is that of int8 over float in turn in the same processes, one thread, batch 1. Seconds and MiB
are those of quantizing, in a fresh process, the imports at its start not timed; ours are those of the whole export.
AIMET's AdaRound has 500 iterations a layer here instead of the 10,000 that it recommends, which would take hours. What
each of the settings is, the files in `benchmarks/int8/peers` say."""
_SECONDS = "Fresh processes in turn, both in one environment."


if __name__ == "__main__":
    main()
