"""What each defense costs in a TFLite file: latency of published classifiers, defended, over the files as they came.

    .venv/bin/python benchmarks/tflite_cost.py --reference ../shared/reference --write

Batch 1, one thread, LiteRT with XNNPACK. The files end in a softmax on integers; a defended one has its defense in
place of it and answers in float. ``A/A`` is the file as it came against itself: how far to trust the rest. What was
measured is kept in ``--scratch`` and goes on where it was stopped. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.cost.measuring import Effort, Log, measure, ratio
from benchmarks.cost.variants import listed
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Subject
from edgeguard.bench.sampling import cold_start
from edgeguard.export.tflite.head import attach_tflite, cut_tflite, expose_tflite_integers, find_tflite_head
from edgeguard.runtimes.litert_session import open_litert
from tests.defenses.fitted import defense as fitted

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "tflite_cost.md"
MODELS = {
    "resnet8": Path("mlperf_tiny", "pretrainedResnet_quant.tflite"),
    "keywords": Path("mlperf_tiny", "kws_ref_model.tflite"),
    "mobilenet-v1": Path("imagenet_tflite", "mobilenet_v1_0.25_128_quant.tflite"),
    "mobilenet-v2": Path("imagenet_tflite", "mobilenet_v2_1.0_224_quant.tflite"),
}
# Demanded of the intervals' upper ends.
LIMIT = 1.00
LIMITED = ("label", "codebook", "decoy")
PLAIN, CONTROL = "as it came", "A/A"
_INPUTS = 8


@dataclass(frozen=True)
class Row:
    """One variant of one file."""

    net: str
    defense: str
    ratio: Interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--nets", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="NET")
    parser.add_argument("--defenses", nargs="+", choices=[name for name, _, _ in listed()], metavar="DEFENSE")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--copies", type=int, default=2, help="sessions of each variant in a process")
    parser.add_argument("--scratch", type=Path, help="where models and measurements are kept")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    options = parser.parse_args()
    effort = Effort(options.processes, blocks=24, runs=20, copies=options.copies)
    names = None if options.defenses is None else frozenset(options.defenses)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        for net in options.nets:
            rows += rows_of(net, options.reference / "models" / MODELS[net], scratch, effort, names)
    if options.write:
        said = [f"--processes {effort.processes} --copies {effort.copies}"]
        said += [] if options.nets == list(MODELS) else [f"--nets {' '.join(options.nets)}"]
        said += [] if names is None else [f"--defenses {' '.join(options.defenses)}"]
        RESULT.write_text(report(rows, effort, " ".join(said)))


def rows_of(net: str, file: Path, scratch: Path, effort: Effort, names: frozenset[str] | None) -> list[Row]:
    """Measure a file and what becomes of it, and print its lines."""
    digest = hashlib.sha256(repr((effort.blocks, effort.runs, effort.copies)).encode())
    models: dict[str, Path] = {}
    for number, (name, content) in enumerate(variants(file.read_bytes(), names)):
        models[name] = scratch / f"{net}-{number}.tflite"
        models[name].write_bytes(content)
        digest.update(name.encode() + content)
    inputs = scratch / f"{net}.npy"
    np.save(inputs, noise(models[PLAIN]))
    subject = Subject("plain", str(models[PLAIN]), "session", str(inputs), format="tflite")
    warm = float(np.median(cold_start(subject, threads=1).warm_ns)) / 1e6
    # Whatever was measured of other files, or otherwise, must not be taken for these.
    kept = scratch / f"{net}-{digest.hexdigest()[:12]}.jsonl"
    done = measure(models, inputs, effort, kept, warm, lambda count: _tell(net, count, effort))
    rows = [Row(net, name, ratio(done, name, PLAIN)) for name in models if name != PLAIN]
    for row in rows:
        print(f"{row.net} {row.defense} {row.ratio.estimate:.4f} {row.ratio.low:.4f} {row.ratio.high:.4f}", flush=True)
    print(f"{net}: {_microseconds(done):.1f} us as it came", file=sys.stderr)
    return rows


def variants(data: bytes, names: frozenset[str] | None) -> Iterator[tuple[str, bytes]]:
    """The file as it came, twice, and defended."""
    yield PLAIN, data
    yield CONTROL, data
    exposed, head = expose_tflite_integers(cut_tflite(data, find_tflite_head(data)))
    for name, response, score in listed():
        if names is None or name in names:
            yield name, attach_tflite(exposed, head, fitted(response, head, score))


def noise(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Finished inputs over the whole range of the file's input, ``[n, 1, *shape]``."""
    detail = open_litert(file).input
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    steps = np.random.default_rng(0).integers(limits.min, limits.max, (_INPUTS, *detail["shape"]), endpoint=True)
    return np.asarray((steps - zero_point) * scale, np.float32)


def _microseconds(done: Sequence[Log]) -> float:
    return math.exp(float(np.mean([np.median(log[PLAIN]) for log in done]))) / 1e3


def _tell(net: str, count: int, effort: Effort) -> None:
    print(f"{net}: process {count} of {effort.processes}", file=sys.stderr, flush=True)


def report(rows: Sequence[Row], effort: Effort, options: str) -> str:
    """The whole result, for a person.

    :param options: what the measurement was asked for with.
    """
    lines = [
        "# What defenses cost in a TFLite file",
        "",
        f"`python benchmarks/tflite_cost.py {options} --write`, {machine()}.",
        "",
        "Latency over that of the same file as it came, which ends in a softmax on integers; batch 1, one thread:",
        f"LiteRT, {effort.processes} fresh processes, {effort.copies} sessions of each variant in each, 95 % intervals",
        "by Student's t over processes. *Limit*: what the upper end must not exceed.",
        "",
        "| file | defense | ratio | interval | limit |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        limit = "" if row.defense not in LIMITED else "held" if row.ratio.high <= LIMIT else "missed"
        lines.append(
            f"| {row.net} | {row.defense} | {row.ratio.estimate:.4f} | {row.ratio.low:.4f} to {row.ratio.high:.4f} "
            f"| {limit and f'{LIMIT:.2f}, {limit}'} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
