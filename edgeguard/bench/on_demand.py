"""Measuring what is measured only where it is asked for, after the main measurement, each in processes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeguard.bench.demand_messages import EnergyRequest, ProfileRequest, SustainRequest
from edgeguard.bench.demanded import Energy, Profile, Sustained, energy_figures, sustained_figures
from edgeguard.bench.device_kind import Kind
from edgeguard.bench.pmic import read_rails
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.profiling import refuse_profile
from edgeguard.bench.reporter import Reporter
from edgeguard.bench.settings import EFFORTS, Plan, Settings
from edgeguard.bench.subject import Subject
from edgeguard.bench.variants import FLOAT, INT8
from edgeguard.errors import DeviceError, UsageError

__all__ = ["Demanded", "refuse_impossible", "take_demanded"]

_TIMEOUT_S = 600.0
_MOMENT_S = 1.0
_PROFILED_RUNS = 30
_PROFILE_WARMUP = 5
_SETTLE_S = 2.0
_READING_S = 0.5


@dataclass(frozen=True, slots=True)
class Demanded:
    """What was asked for; ``None`` and empty what was not."""

    sustained: Sustained | None
    profiles: tuple[Profile, ...]
    energy: Energy | None


def refuse_impossible(settings: Settings, kind: Kind, model_format: str) -> None:
    """Say before minutes of work what this machine, or the engine, cannot do.

    :raises UsageError: it is emulated and shall be timed for long, or does not measure its power; or operators are to
        be timed by another engine than ONNX Runtime.
    """
    if settings.profile and model_format != "onnx":
        refuse_profile(model_format)
    if kind == "emulated" and settings.sustained_s is not None:
        raise UsageError("an emulated machine has no pace to keep", where="--sustained", fix="Measure on a board")
    if settings.energy:
        if kind == "emulated":
            raise UsageError("an emulated machine draws no power of its own", where="--energy", fix="Measure on a Pi 5")
        try:
            read_rails()
        except DeviceError as error:
            raise UsageError(error.what, where="--energy", fix=error.fix) from None


def take_demanded(
    subjects: Sequence[Subject], deployed: str, settings: Settings, plan: Plan, kind: Kind, reporter: Reporter
) -> Demanded:
    """Take all that the settings ask for.

    :param deployed: name of the deployed variant.
    :raises EdgeguardError: a subject cannot be loaded, or a process does not end.
    """
    named = {subject.name: subject for subject in subjects}
    chosen = [name for name in (FLOAT, INT8, deployed) if name in named]
    return Demanded(
        sustained=None
        if settings.sustained_s is None
        else _sustain(named[deployed], settings.sustained_s, plan, reporter),
        profiles=_profile(named, chosen, plan, kind, reporter) if settings.profile else (),
        energy=_weigh(named, chosen, plan, reporter) if settings.energy else None,
    )


def _sustain(subject: Subject, seconds: float, plan: Plan, reporter: Reporter) -> Sustained:
    reporter.step(f"Running {subject.name} for {seconds:.0f} s without a pause")
    total = max(1, round(seconds))
    request = SustainRequest(subject, seconds, _MOMENT_S, plan.warmup_ms, plan.threads, plan.spinning)
    answer = ask_worker(
        request,
        timeout=_TIMEOUT_S + 2 * seconds,
        tick=lambda passed: reporter.progress(min(int(passed), total - 1), total),
    )
    reporter.progress(total, total)
    return sustained_figures(subject.name, answer.moments)


def _profile(
    named: Mapping[str, Subject], names: Sequence[str], plan: Plan, kind: Kind, reporter: Reporter
) -> tuple[Profile, ...]:
    reporter.step(f"Profiling {', '.join(names)}")
    profiles = []
    for done, name in enumerate(names, 1):
        request = ProfileRequest(named[name], _PROFILED_RUNS, _PROFILE_WARMUP, plan.threads)
        nodes = ask_worker(request, timeout=_TIMEOUT_S).nodes
        if kind == "emulated":
            # The guest's clock counts instructions: shares of it mean something, microseconds do not.
            nodes = tuple(replace(node, median_us=None) for node in nodes)
        profiles.append(Profile(name, nodes))
        reporter.progress(done, len(names))
    return tuple(profiles)


def _weigh(named: Mapping[str, Subject], names: Sequence[str], plan: Plan, reporter: Reporter) -> Energy:
    seconds = EFFORTS[plan.effort].power_s
    reporter.step(f"Reading the power of the idle machine, and of {', '.join(names)}, {seconds:g} s each")
    answers = []
    for done, name in enumerate((None, *names), 1):
        subject = None if name is None else named[name]
        request = EnergyRequest(subject, seconds, _SETTLE_S, _READING_S, plan.threads, plan.spinning)
        answers.append(ask_worker(request, timeout=_TIMEOUT_S))
        reporter.progress(done, 1 + len(names))
    return energy_figures(answers[0], list(zip(names, answers[1:], strict=True)))
