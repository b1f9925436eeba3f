"""The benchmark of one artifact, from its path to a result."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from statistics import median

from edgeguard import __version__
from edgeguard.artifact import MANIFEST, Artifact, open_artifact
from edgeguard.bench.beside import put_beside, refuse_unlike
from edgeguard.bench.device_facts import read_device
from edgeguard.bench.device_kind import DeviceKind, device_kind
from edgeguard.bench.figures import count_figures, latencies, pooled, ratios
from edgeguard.bench.findings import find, find_demanded
from edgeguard.bench.host_state import HostState, read_state
from edgeguard.bench.messages import ColdAnswer
from edgeguard.bench.on_demand import refuse_impossible, take_demanded
from edgeguard.bench.pmu import Event
from edgeguard.bench.reporter import Reporter
from edgeguard.bench.result import ArtifactFacts, Cold, Counts, Latency, Process, Ratio, Result
from edgeguard.bench.sampling import cold_start, count, sample, with_engines
from edgeguard.bench.settings import EFFORTS, Plan, Settings, make_count_plan, make_plan
from edgeguard.bench.variants import CONTROL, Variants, choose_variants, deployed_name
from edgeguard.bench.verdict import Evidence, Verdict, judge, judge_counts
from edgeguard.digests import file_digest

__all__ = ["Reporter", "measure"]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What the main part of a measurement took and made of it; see :class:`~edgeguard.bench.result.Result`."""

    plan: Plan
    before: HostState
    after: HostState
    cold: tuple[Cold, ...]
    processes: tuple[Process, ...]
    latency: tuple[Latency, ...]
    ratios: tuple[Ratio, ...]
    counts: Counts | None
    not_counted: dict[Event, str]
    verdict: Verdict


def measure(path: Path, settings: Settings, reporter: Reporter, beside: Path | None = None) -> Result:
    """Measure an artifact beside what its lab holds. A result that cannot be trusted is returned too: see its verdict.

    :param beside: another artifact, to take turns with it.
    :raises UsageError: there is no artifact, or neither the machine nor its engine can do what is asked for.
    :raises Untrusted: the artifact or its lab differs from the manifest.
    :raises RejectedInput: a model cannot be loaded or kills the process that runs it.
    :raises InvalidMeasurement: a measuring process does not end.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    artifact = open_artifact(path)
    other = None if beside is None else open_artifact(beside)
    kind = device_kind()
    refuse_impossible(settings, kind.kind, artifact.manifest.model.format)
    with tempfile.TemporaryDirectory(prefix="edgeguard-bench-") as scratch:
        variants = with_engines(_variants(artifact, other, Path(scratch)), threads=settings.threads)
        if kind.kind == "emulated":
            taken = _counts_alone(variants, settings, reporter)
        else:
            taken = _times_and_counts(variants, settings, kind, deployed_name(artifact), reporter)
        # Where an emulator does not count, its clock does not follow its instructions either, and shares mislead.
        meaningful = kind.kind != "emulated" or taken.counts is not None
        demanded = take_demanded(
            variants.subjects,
            deployed_name(artifact),
            replace(settings, profile=settings.profile and meaningful),
            taken.plan,
            kind.kind,
            reporter,
        )
    device = read_device(kind.model)
    return Result(
        device_kind=kind.kind,
        kind_evidence=kind.evidence,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        artifact=_artifact_facts(artifact),
        tools=_tools({variant.engine for variant in variants.timed}),
        plan=taken.plan,
        device=device,
        before=taken.before,
        after=taken.after,
        variants=variants.timed,
        skipped=variants.skipped,
        cold=taken.cold,
        latency=taken.latency,
        ratios=taken.ratios,
        verdict=taken.verdict,
        findings=(
            *find(kind, device.cpu, taken.after, taken.ratios, taken.latency, taken.counts),
            *find_demanded(demanded.sustained, demanded.energy),
        ),
        processes=taken.processes,
        counts=taken.counts,
        not_counted=taken.not_counted,
        sustained=demanded.sustained,
        profiles=demanded.profiles,
        energy=demanded.energy,
        beside=None if other is None else _artifact_facts(other),
    )


def _variants(artifact: Artifact, other: Artifact | None, scratch: Path) -> Variants:
    own = choose_variants(artifact, scratch)
    if other is None:
        return own
    refuse_unlike(artifact, other)
    place = scratch / "beside"
    place.mkdir()
    return put_beside(own, choose_variants(other, place))


def _times_and_counts(
    variants: Variants, settings: Settings, kind: DeviceKind, deployed: str, reporter: Reporter
) -> _Taken:
    """On a real machine."""
    cold = _cold_starts(variants, settings.threads, EFFORTS[settings.effort].cold, reporter)
    run_ms = _run_ms(cold, deployed)
    plan = make_plan(settings, run_ms)
    reporter.step(
        f"Timing {', '.join(run_ms)}: {plan.processes} processes, each {plan.blocks} blocks of {plan.runs} runs"
    )
    before = read_state()
    processes = sample(
        variants.subjects, plan, lambda done: reporter.progress(done, plan.processes), sum(run_ms.values())
    )
    after = read_state()
    answer = count(variants.subjects, plan, ("instructions", "cycles"))
    ratio_list = ratios(processes, variants.timed, plan)
    evidence = Evidence(
        kind=kind.kind,
        before=before,
        after=after,
        windows=[process.window for process in processes],
        samples={variant.name: len(pooled(processes, variant.name)) for variant in variants.timed},
        control=next((ratio.interval for ratio in ratio_list if ratio.numerator == CONTROL), None),
    )
    return _Taken(
        plan=plan,
        before=before,
        after=after,
        cold=cold,
        processes=processes,
        latency=latencies(processes, variants.timed),
        ratios=ratio_list,
        counts=count_figures(answer, variants.timed),
        not_counted=answer.refused,
        verdict=judge(evidence),
    )


def _counts_alone(variants: Variants, settings: Settings, reporter: Reporter) -> _Taken:
    """On an emulated machine: no times, and no cycles either, for an emulator has none."""
    plan = make_count_plan(settings)
    cold = _cold_starts(variants, plan.threads, plan.cold, reporter)
    before = read_state()
    reporter.step(f"Counting instructions of {', '.join(subject.name for subject in variants.subjects)}")
    answer = count(variants.subjects, plan, ("instructions",))
    counts = count_figures(answer, variants.timed)
    quotients = () if counts is None else counts.ratios
    control = next((entry.ratio for entry in quotients if entry.numerator == CONTROL), None)
    return _Taken(
        plan=plan,
        before=before,
        after=read_state(),
        cold=cold,
        processes=(),
        latency=(),
        ratios=(),
        counts=counts,
        not_counted=answer.refused,
        verdict=judge_counts(control, answer.refused.get("instructions")),
    )


def _cold_starts(variants: Variants, threads: int, rounds: int, reporter: Reporter) -> tuple[Cold, ...]:
    """Round after round: a slow minute must not hit one variant only. The control would only repeat its original."""
    subjects = [subject for subject in variants.subjects if subject.name != CONTROL]
    times = "once" if rounds == 1 else f"{rounds} times"
    reporter.step(f"Starting {', '.join(subject.name for subject in subjects)} cold, {times} each")
    starts: dict[str, list[ColdAnswer]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for position, subject in enumerate(subjects):
            starts[subject.name].append(cold_start(subject, threads=threads))
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


def _tools(engines: set[str]) -> dict[str, str]:
    packages = sorted({"numpy", "psutil", *engines})
    return {"edgeguard": __version__, "python": python_version(), **{name: version(name) for name in packages}}
