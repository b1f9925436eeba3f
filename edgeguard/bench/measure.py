"""The benchmark of one artifact, from its path to a result."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Protocol

from edgeguard import __version__
from edgeguard.artifact import MANIFEST, Artifact, open_artifact
from edgeguard.bench.device_facts import read_device
from edgeguard.bench.device_kind import device_kind
from edgeguard.bench.findings import find
from edgeguard.bench.host_state import read_state
from edgeguard.bench.intervals import log_ratios, ratio_interval
from edgeguard.bench.messages import ColdAnswer
from edgeguard.bench.percentiles import percentile_estimate
from edgeguard.bench.result import ArtifactFacts, Cold, Latency, Process, Ratio, Result
from edgeguard.bench.sampling import cold_start, sample
from edgeguard.bench.settings import EFFORTS, Plan, Settings, make_plan
from edgeguard.bench.variants import CONTROL, FLOAT, INT8, Variant, Variants, choose_variants, deployed_name
from edgeguard.bench.verdict import Evidence, judge
from edgeguard.digests import file_digest

__all__ = ["Reporter", "latencies", "measure", "ratios"]


class Reporter(Protocol):
    """Who is told how far it is."""

    def step(self, text: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int) -> None:
        """Within a stage."""


def measure(path: Path, settings: Settings, reporter: Reporter) -> Result:
    """Measure an artifact beside what its lab holds. A result that cannot be trusted is returned too: see its verdict.

    :raises UsageError: there is no artifact, or its format cannot be timed.
    :raises Untrusted: the artifact or its lab differs from the manifest.
    :raises RejectedInput: a model cannot be loaded or kills the process that runs it.
    :raises InvalidMeasurement: a measuring process does not end.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    artifact = open_artifact(path)
    kind = device_kind()
    with tempfile.TemporaryDirectory(prefix="edgeguard-bench-") as scratch:
        variants = choose_variants(artifact, Path(scratch))
        cold = _cold_starts(variants, settings, reporter)
        run_ms = _run_ms(cold, deployed_name(artifact))
        plan = make_plan(settings, run_ms)
        reporter.step(
            f"Timing {', '.join(run_ms)}: {plan.processes} processes, each {plan.blocks} blocks of {plan.runs} runs"
        )
        before = read_state()
        processes = sample(
            variants.subjects, plan, lambda done: reporter.progress(done, plan.processes), sum(run_ms.values())
        )
        after = read_state()
    device = read_device(kind.model)
    believed = kind.kind != "emulated"
    ratio_list = ratios(processes, variants.timed, plan)
    stated = latencies(processes, variants.timed) if believed else ()
    control = next((ratio.interval for ratio in ratio_list if ratio.numerator == CONTROL), None)
    evidence = Evidence(
        kind=kind.kind,
        before=before,
        after=after,
        windows=[process.window for process in processes],
        samples={variant.name: len(_pooled(processes, variant.name)) for variant in variants.timed},
        control=control if believed else None,
    )
    ratio_list = ratio_list if believed else ()
    return Result(
        device_kind=kind.kind,
        kind_evidence=kind.evidence,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        artifact=_artifact_facts(artifact),
        tools=_tools(),
        plan=plan,
        device=device,
        before=before,
        after=after,
        variants=variants.timed,
        skipped=variants.skipped,
        cold=cold,
        latency=stated,
        ratios=ratio_list,
        verdict=judge(evidence),
        findings=find(kind, device.cpu, after, ratio_list, stated),
        processes=processes,
    )


def latencies(processes: Sequence[Process], variants: Sequence[Variant]) -> tuple[Latency, ...]:
    """Percentiles of every variant, over all processes."""
    result = []
    for variant in variants:
        samples = _pooled(processes, variant.name)
        p50, p90, p99 = (percentile_estimate(samples, percentile) for percentile in (0.5, 0.9, 0.99))
        result.append(Latency(variant.name, len(samples), p50, p90, p99))
    return tuple(result)


def ratios(processes: Sequence[Process], variants: Sequence[Variant], plan: Plan) -> tuple[Ratio, ...]:
    """The ratios that answer a question: the gain of int8, the cost of the defense, both together, the A/A control."""
    present = {variant.name for variant in variants}
    deployed = next(name for name in ("defended", "deployed") if name in present)
    wanted = ((INT8, FLOAT), (deployed, INT8), (deployed, FLOAT), (CONTROL, deployed))
    result = []
    for numerator, denominator in wanted:
        if {numerator, denominator} <= present:
            logs = [log_ratios(process.blocks, numerator, denominator) for process in processes]
            interval = ratio_interval(logs, confidence=plan.confidence, seed=plan.seed)
            result.append(Ratio(f"{numerator}/{denominator}", numerator, denominator, interval))
    return tuple(result)


def _pooled(processes: Sequence[Process], name: str) -> list[int]:
    return [value for process in processes for block in process.blocks for value in block.samples_ns[name]]


def _cold_starts(variants: Variants, settings: Settings, reporter: Reporter) -> tuple[Cold, ...]:
    """Round after round: a slow minute must not hit one variant only. The control would only repeat its original."""
    subjects = [subject for subject in variants.subjects if subject.name != CONTROL]
    rounds = EFFORTS[settings.effort].cold
    reporter.step(f"Starting {', '.join(subject.name for subject in subjects)} cold, {rounds} times each")
    starts: dict[str, list[ColdAnswer]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for position, subject in enumerate(subjects):
            starts[subject.name].append(cold_start(subject, threads=settings.threads))
            reporter.progress(number * len(subjects) + position + 1, rounds * len(subjects))
    return tuple(Cold(name, tuple(answers)) for name, answers in starts.items())


def _run_ms(cold: Sequence[Cold], deployed: str) -> dict[str, float]:
    """Duration of a warm run of every variant, in milliseconds, from the cold starts."""
    durations = {entry.name: median(value for start in entry.starts for value in start.warm_ns) / 1e6 for entry in cold}
    return {**durations, CONTROL: durations[deployed]}


def _artifact_facts(artifact: Artifact) -> ArtifactFacts:
    manifest = artifact.manifest
    defense = manifest.defense
    return ArtifactFacts(
        name=artifact.path.name,
        manifest_sha256=file_digest(artifact.path / MANIFEST),
        model_sha256=manifest.files[manifest.model.file].sha256,
        target=manifest.target,
        defense=None if defense is None else defense.name,
        defense_version=None if defense is None else defense.version,
        placement=None if defense is None else defense.placement,
        input_shape=manifest.model.input_shape,
        batch=manifest.model.batch or 1,
    )


def _tools() -> dict[str, str]:
    packages = ("numpy", "onnxruntime", "psutil")
    return {"edgeguard": __version__, "python": python_version(), **{name: version(name) for name in packages}}
