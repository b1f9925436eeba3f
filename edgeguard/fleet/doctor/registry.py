"""All checks, in the order in which they are told. A new one is a function and its place here."""

from __future__ import annotations

from collections.abc import Callable

from edgeguard.fleet.doctor import activity, engines, fit, power, storage, system
from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line
from edgeguard.manifest import Manifest

__all__ = ["ARTIFACT_CHECKS", "BEFORE_DEPLOY", "CHECKS", "FIT_BEFORE_DEPLOY", "ArtifactCheck", "Check"]

Check = Callable[[Facts], Line]
ArtifactCheck = Callable[[Facts, Manifest], Line]

# What a deployment cannot change, and cannot do without.
BEFORE_DEPLOY: tuple[Check, ...] = (
    system.operating_system,
    system.userland,
    system.c_library,
    engines.python,
    engines.venv,
    storage.directory,
    storage.disk,
    storage.inodes,
    storage.memory,
)
CHECKS: tuple[Check, ...] = (
    system.device,
    system.processor,
    *BEFORE_DEPLOY,
    storage.swap,
    engines.environment,
    engines.numpy,
    engines.onnxruntime,
    engines.litert,
    engines.edgeguard,
    activity.deployed,
    power.power,
    power.heat,
    power.temperature,
    power.cooling,
    power.frequency,
    activity.load,
    activity.clock,
    activity.counters,
)

FIT_BEFORE_DEPLOY: tuple[ArtifactCheck, ...] = (fit.target, fit.word_size, fit.room, fit.working_memory)
# The engine that is there now is replaced by a deployment.
ARTIFACT_CHECKS: tuple[ArtifactCheck, ...] = (*FIT_BEFORE_DEPLOY, fit.engine)
