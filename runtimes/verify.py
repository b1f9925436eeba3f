"""Does an artifact, on this very machine, do what its exporter says? Digests, the contract of answers, goldens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.artifact import GOLDEN, Artifact, open_artifact
from edgeguard.contract import check_contract
from edgeguard.errors import RejectedInput, Untrusted
from edgeguard.runtimes.goldens import Goldens, read_goldens
from edgeguard.runtimes.loading import load_opened
from edgeguard.runtimes.protocol import Runtime

__all__ = ["Check", "GoldenReport", "Verification", "verify"]

Array = np.ndarray[Any, Any]

_NOISE = 16
_ELSEWHERE = (
    "Its files are as exported, but this machine computes something else: install the engine that the manifest's tools "
    "name, or export for this machine's target"
)
_BROKEN = "Export it again; whoever made this file broke the contract that edgeguard's exports keep"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    :param detail: what was found, a clause without a full stop.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class GoldenReport:
    """How this machine's answers to the golden inputs compare with the exporter's.

    :param count: golden inputs; with none, nothing is known about the answers' values.
    :param worst: largest difference of an entry of an answer, in units of that answer's tolerance: above 1 is too far.
    :param flips: answers whose argmax is another one.
    :param outside: answers with a difference above their tolerance.
    """

    count: int
    worst: float
    flips: int
    outside: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What :func:`verify` found. Files that differ from the manifest raise instead: there is nothing more to check.

    :param facts: of the runtime that answered.
    """

    artifact: str
    facts: dict[str, str]
    checks: tuple[Check, ...]
    goldens: GoldenReport

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def require(self) -> None:
        """Turn a failure into an error.

        :raises RejectedInput: a check failed; the message says which, and what to do.
        """
        failed = [check for check in self.checks if not check.passed]
        if failed:
            raise RejectedInput(
                "; ".join(f"{check.name}: {check.detail}" for check in failed),
                where=self.artifact,
                fix=_ELSEWHERE if all(check.name == "goldens" for check in failed) else _BROKEN,
            )


def verify(artifact: Path | str, *, threads: int = 1) -> Verification:
    """Check an artifact on this machine.

    :raises UsageError: there is no artifact at this path, or no runtime for its format.
    :raises Untrusted: a file is missing, surplus or differs from the manifest.
    :raises RejectedInput: the model has other inputs or outputs than the manifest says (so also if a defended graph
        exposes its logits), or the golden inputs are damaged.
    """
    opened = open_artifact(Path(artifact))
    if GOLDEN not in opened.manifest.files:
        raise Untrusted(f"has no {GOLDEN}", where=str(opened.path), fix="Deploy the artifact again")
    runtime = load_opened(opened, threads=threads)
    known = (_files(opened), _interface(opened))
    goldens = read_goldens(opened.golden_path, opened.manifest.model.input_shape, opened.manifest.classes)
    contract = _check_head(runtime, goldens)
    if not contract.passed:
        # Nothing to compare: what comes out is no answer.
        return Verification(str(opened.path), runtime.facts, (*known, contract), GoldenReport(0, 0.0, 0, 0))
    report, compared = _compare(runtime, goldens)
    return Verification(str(opened.path), runtime.facts, (*known, contract, compared), report)


def _files(artifact: Artifact) -> Check:
    return Check("files", True, f"{len(artifact.manifest.files)} files have the digests that the manifest records")


def _interface(artifact: Artifact) -> Check:
    record = artifact.manifest.defense
    if record is None:
        detail = "one output; the artifact has no defense"
    elif record.placement == "graph":
        detail = f"one output, after the defense {record.name} in the graph, as the manifest says"
    else:
        detail = f"the file itself is NOT defended: edgeguard's runtime applies {record.name} (placement host)"
    return Check("output", True, detail)


def _check_head(runtime: Runtime, goldens: Goldens) -> Check:
    """The contract of answers, on the goldens and on inputs that no photograph resembles."""
    hard = _hard_inputs(runtime, goldens)
    try:
        answers = runtime.answer(hard)
        check_contract(answers, classes=runtime.manifest.classes)
        check_contract(runtime.answer(goldens.inputs), classes=runtime.manifest.classes)
    except RejectedInput as error:
        return Check("answers", False, error.what)
    if not np.array_equal(answers, runtime.answer(hard)):
        return Check("answers", False, "the same inputs are answered differently the second time")
    count = len(hard) + len(goldens)
    return Check(
        "answers", True, f"finite, not negative and summing to 1 on {count} inputs, {len(hard)} of them extreme"
    )


def _hard_inputs(runtime: Runtime, goldens: Goldens) -> Array:
    """Zeros, the ends of the range of values, stripes between them and noise, float32 ``[n, *input_shape]``."""
    manifest = runtime.manifest
    shape = manifest.model.input_shape
    if manifest.preprocess is not None:
        low, high = manifest.preprocess.value_range
    elif len(goldens):
        low, high = float(goldens.inputs.min()), float(goldens.inputs.max())
    else:
        low, high = -1.0, 1.0
    stripes = np.where(np.arange(int(np.prod(shape))).reshape(shape) % 2, high, low)
    constants = [np.full(shape, value) for value in (0.0, low, high)]
    noise = np.random.default_rng(0).uniform(low, high, (_NOISE, *shape))
    return np.concatenate([np.stack([*constants, stripes]), noise]).astype(np.float32)


def _compare(runtime: Runtime, goldens: Goldens) -> tuple[GoldenReport, Check]:
    if not len(goldens):
        return GoldenReport(0, 0.0, 0, 0), Check(
            "goldens", True, "the export found NO golden input: the values of the answers are not checked"
        )
    answers = runtime.answer(goldens.inputs)
    ratio = np.abs(answers.astype(np.float64) - goldens.answers).max(axis=-1) / goldens.tolerance
    report = GoldenReport(
        count=len(goldens),
        worst=float(ratio.max()),
        flips=int((answers.argmax(axis=-1) != goldens.answers.argmax(axis=-1)).sum()),
        outside=int((ratio > 1).sum()),
    )
    detail = (
        f"{report.count} answers, the worst at {report.worst:.2g} of its tolerance, {report.flips} with another argmax"
    )
    return report, Check("goldens", not report.flips and not report.outside, detail)
