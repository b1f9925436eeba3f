"""Does ``edgeguard bench`` keep its word? Its own error rates, measured.

Two questions, each asked of ``--runs`` whole measurements of a small CNN beside a second session of itself, alternating
so that a noisy minute meets both:

- A/A: how many 95 % intervals of the ratio exclude 1, although nothing differs? Five in a hundred are promised.
- Slowdown: one of the two waits 2 % of its median duration after each run. How many intervals exclude 1?

The measurements use the bench's own processes, orders, blocks and interval, with the settings of ``--effort quick`` and
fewer blocks. Run it by hand on an otherwise idle machine::

    python benchmarks/bench_self.py
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgeguard.bench.device_facts import read_device
from edgeguard.bench.intervals import Interval, log_ratios, ratio_interval
from edgeguard.bench.messages import Subject
from edgeguard.bench.sampling import cold_start, sample
from edgeguard.bench.settings import Plan, Settings, make_plan
from edgeguard.bench.verdict import AA_TOLERANCE, busy_share

RESULT = Path(__file__).with_name("results") / "bench_self.json"
SLOWDOWN = 0.02
BLOCKS = 30


@dataclass(frozen=True)
class Run:
    """One whole measurement."""

    kind: str
    interval: Interval
    seconds: float
    busy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="measurements of each kind")
    parser.add_argument("--slowdown", type=float, default=SLOWDOWN)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        subjects = make_subjects(Path(scratch))
        run_ms = median(cold_start(subjects[0], threads=1).warm_ns) / 1e6
        plan = make_plan(Settings("quick", blocks=BLOCKS), {subject.name: run_ms for subject in subjects})
        started = time.perf_counter()
        runs: list[Run] = []
        for number in range(options.runs):
            for kind, delay in (("A/A", 0.0), ("slowdown", options.slowdown)):
                pair = (subjects[0], replace(subjects[1], delay=delay))
                runs.append(measure(kind, pair, replace(plan, seed=len(runs))))
            print(f"{number + 1}/{options.runs}: {tell(runs)}", file=sys.stderr, flush=True)
    report = {
        "command": " ".join(["python", "benchmarks/bench_self.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "model_ms": round(run_ms, 4),
        "slowdown": options.slowdown,
        "plan": asdict(plan),
        "summary": {kind: summary([run for run in runs if run.kind == kind]) for kind in ("A/A", "slowdown")},
        "runs": [asdict(run) for run in runs],
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    print(tell(runs))


def make_subjects(scratch: Path) -> tuple[Subject, Subject]:
    """Two subjects with the same model: six 3x3 convolutions of 24 channels on 24x24 pixels, and a pooling."""
    rng = np.random.default_rng(0)
    nodes, weights, last, channels = [], [], "x", 3
    for layer in range(6):
        weights.append(
            numpy_helper.from_array(rng.normal(0, 0.1, (24, channels, 3, 3)).astype(np.float32), f"w{layer}")
        )
        nodes.append(helper.make_node("Conv", [last, f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
        last, channels = f"r{layer}", 24
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["y"]))
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 24, 24])
    graph = helper.make_graph(
        nodes, "self", [source], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 24, 1, 1])], weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path, inputs = scratch / "model.onnx", scratch / "inputs.npy"
    path.write_bytes(model.SerializeToString())
    np.save(inputs, rng.normal(size=(8, 1, 3, 24, 24)).astype(np.float32))
    first = Subject("a", str(path), "session", str(inputs))
    return first, replace(first, name="b")


def measure(kind: str, subjects: Sequence[Subject], plan: Plan) -> Run:
    started = time.perf_counter()
    processes = sample(subjects, plan, lambda _: None)
    logs = [log_ratios(process.blocks, "b", "a") for process in processes]
    interval = ratio_interval(logs, confidence=plan.confidence, seed=plan.seed)
    assert interval is not None
    busy = busy_share([process.window for process in processes])
    return Run(kind, interval, round(time.perf_counter() - started, 2), round(busy, 3))


def summary(runs: Sequence[Run]) -> dict[str, float | int]:
    def reach(run: Run) -> float:
        return (run.interval.high - run.interval.low) / 2

    wrong = [run for run in runs if run.interval.low > 1 + AA_TOLERANCE or run.interval.high < 1 - AA_TOLERANCE]
    return {
        "runs": len(runs),
        "exclude_1": sum(run.interval.excludes_one for run in runs),
        "beyond_the_verdicts_tolerance": len(wrong),
        "median_estimate": round(median(run.interval.estimate for run in runs), 5),
        "median_half_width": round(median(map(reach, runs)), 5),
        "largest_half_width": round(max(map(reach, runs)), 5),
        "median_seconds": median(run.seconds for run in runs),
        "median_busy_share": median(run.busy for run in runs),
        "largest_busy_share": max(run.busy for run in runs),
    }


def tell(runs: Sequence[Run]) -> str:
    parts = []
    for kind in ("A/A", "slowdown"):
        chosen = [run for run in runs if run.kind == kind]
        found = sum(run.interval.excludes_one for run in chosen)
        parts.append(f"{kind}: {found} of {len(chosen)} exclude 1")
    return ", ".join(parts)


def machine() -> str:
    device = read_device(None)
    return (
        f"{device.cpu.model}, {device.cpus} CPUs, {device.machine}, {'virtual' if device.virtual else 'not virtual'}, "
        f"onnxruntime {onnxruntime.__version__}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
