"""Tuning a defense to a network and a budget, on data that the network was not trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from edgeguard.calibration.binomial import least_images, most_losses, upper_bound
from edgeguard.calibration.gating import FittedGate, fit_gate, fit_threshold
from edgeguard.calibration.levels import fit_levels
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Score
from edgeguard.defenses.head import Grid, Head, posterior
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.record import Tuning
from edgeguard.defenses.registry import parameters, tables
from edgeguard.defenses.response import KeyedResponse, Response, is_table
from edgeguard.defenses.rows import ONE_LEVEL
from edgeguard.errors import BadData, UsageError
from edgeguard.keys import MasterKey

__all__ = ["Evidence", "Tuned", "Wish", "tune"]

Array = np.ndarray[Any, Any]

_MAKE_KEY = "Make one with: edgeguard keygen model.key, and pass --key model.key"
_CANDIDATES = 40
# A network is seldom this good on images that it never saw.
_TRAINED_ON = 0.995
_ENOUGH_TO_SAY = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What the owner asks for.

    :param response: with its parameters, not yet fitted.
    :param score: of the gate; ``None`` for no gate.
    :param budget: percentage points of benign accuracy; ``None`` if none was named.
    :param key: ``None`` if none was given.
    :param chosen: parameters of the response that were named: a budget must not change them.
    """

    response: Response
    score: Score | None = None
    budget: float | None = None
    key: MasterKey | None = None
    chosen: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse wishes that contradict themselves.

        :raises UsageError: saying what to ask for instead.
        """
        name, budget = self.response.name, self.budget
        if budget is not None and not 0 <= budget < 100:
            raise UsageError(f"a budget of {budget:g} percentage points cannot be", where="--budget")
        if budget == 0 and not self.response.keeps_argmax:
            raise UsageError(
                f"{name} cannot promise to keep the argmax, so a budget of 0 is out of its reach",
                where="--budget",
                fix="Choose a defense that keeps the argmax (see: edgeguard defenses), or a budget above 0",
            )
        if self.score is not None and not budget:
            raise UsageError(
                "a gate answers some benign queries wrongly: how many it may is for you to say",
                where="--gate",
                fix="Add --budget PP, for example --budget 0.5",
            )
        if self.score is not None and self.key is None:
            raise UsageError("the wrong classes of a gate come from a key", where="--gate", fix=_MAKE_KEY)
        if self.response.keyed and self.key is None:
            raise UsageError(f"{name} draws from a key", where="--defense", fix=_MAKE_KEY)
        if budget and self.score is None and self.response.tuned and self.response.tuned[0] in self.chosen:
            raise UsageError(
                f"the budget of {budget:g} decides {self.response.tuned[0]}, which was named as well",
                where="--defense-param",
                fix="Leave one of the two out, or spend the budget on a --gate",
            )

    @property
    def needs_validation(self) -> bool:
        """Whether something has to be fitted that only images the network was not trained on can tell."""
        return bool(self.budget) or "starts" in tables(self.response)

    @property
    def needs_data(self) -> bool:
        """Whether it takes any images at all: what a key decides may hang on the range of the logits."""
        return self.needs_validation or self.response.keyed


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a network says to validation images.

    :param logits: of the undefended network as it will be deployed, float32 ``[n, classes]``.
    :param labels: true classes, ``[n]``; ``None`` if they are not known.
    :param float_top: the float network's classes, ``[n]``; ``None`` if there is no float network.
    :param reference: float32 logits ``[m, classes]`` of queries such as a thief may ask; only a gate needs them.
    :param reference_kind: where these come from.
    """

    logits: Array
    labels: Array | None
    float_top: Array | None
    reference: Array | None = None
    reference_kind: Literal["queries", "stand-ins"] = "stand-ins"

    @property
    def counted(self) -> Literal["labels", "agreement", "every"]:
        """What an answer is held against."""
        return "labels" if self.labels is not None else "every" if self.float_top is None else "agreement"

    @property
    def right(self) -> Array:
        """Which images were answered rightly, bool ``[n]``."""
        truth = self.float_top if self.labels is None else self.labels
        top = self.logits.argmax(axis=-1)
        return np.ones(len(top), bool) if truth is None else np.asarray(top == truth)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A fitted defense.

    :param warnings: what its owner must know.
    """

    defense: Defense
    tuning: Tuning
    warnings: tuple[str, ...]


def tune(wish: Wish, evidence: Evidence, head: Head) -> Tuned:
    """Fit a defense.

    :param head: what the network ends in where the defense will be attached.
    :raises BadData: the evidence is too little for what must be promised.
    """
    grid = head.grid or _grid(evidence.logits)
    images = len(evidence.logits)
    budget = wish.budget or 0.0
    most = most_losses(images, budget / 100) if budget else 0
    drawn = _drawn(wish, head.classes)
    tuning = Tuning(images, evidence.counted, wish.budget)
    warnings = _doubts(evidence)
    if wish.score is None:
        response = _spend(drawn, evidence, head, grid, most) if budget else drawn
        fitted = _with_levels(response, evidence, grid, np.ones(images, bool))
        if response is not drawn and response.tuned is not None:
            tuning = replace(tuning, tuned=response.tuned[0])
        return _tuned(Defense(fitted, None, grid), tuning, evidence, head, warnings)
    plain = _with_levels(drawn, evidence, grid, np.ones(images, bool))
    most -= _losses(Defense(plain, None, grid), evidence, head)
    threshold = fit_threshold(wish.score, evidence.logits, evidence.right, most, grid)
    if threshold is None:
        warnings += (_stays_open(images, budget, most),)
        return _tuned(Defense(plain, None, grid), tuning, evidence, head, warnings)
    fitted = _with_levels(drawn, evidence, grid, ~threshold.gated(evidence.logits, grid))
    levels = fitted.table_levels() if is_table(fitted) else ONE_LEVEL
    reference = evidence.logits if evidence.reference is None else evidence.reference
    found: FittedGate = fit_gate(cast(MasterKey, wish.key), threshold, reference, levels, evidence.logits, grid)
    tuning = replace(
        tuning,
        tuned="gate",
        reference=evidence.reference_kind,
        reference_images=len(reference),
        reference_gated=found.reference_gated,
        wrong_class_bits=found.bits,
    )
    return _tuned(Defense(fitted, found.gate, grid), tuning, evidence, head, warnings)


def _drawn(wish: Wish, classes: int) -> Response:
    """The response with what its key decides."""
    if not wish.response.keyed:
        return wish.response
    return cast(KeyedResponse, wish.response).drawn(cast(MasterKey, wish.key), classes)


def _grid(logits: Array) -> Grid:
    """256 steps over what the logits of validation images span."""
    low, high = min(0.0, float(logits.min())), max(0.0, float(logits.max()))
    scale = float(np.float32(max((high - low) / 255, 1e-6)))
    return Grid(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def _with_levels(response: Response, evidence: Evidence, grid: Grid, honest: Array) -> Response:
    """The response with its levels of confidence fitted, if it has any."""
    if "starts" not in tables(response):
        return response
    logits = evidence.logits[honest]
    if evidence.labels is None:
        worth = posterior(NumpyOps(), Head("logits", logits.shape[-1]), logits).max(axis=-1)
    else:
        worth = evidence.right[honest].astype(np.float64)
    wanted = int(parameters(response)["levels"])
    levels = fit_levels(grid.steps(logits.max(axis=-1)), worth, wanted)
    fitted: dict[str, Any] = {"starts": levels.starts, "confidences": levels.confidences}
    if "decoys" in tables(response):
        fitted["decoys"] = tables(response)["decoys"][: len(levels)]
    return replace(cast(Any, response), **fitted)  # type: ignore[no-any-return]


def _spend(response: Response, evidence: Evidence, head: Head, grid: Grid, most: int) -> Response:
    """The response with the one parameter that a budget tunes as large as the budget allows.

    Candidates are tried in rising order until the first that loses too much, so that the bound for one candidate holds
    for the choice (a fixed sequence of tests).
    """
    if response.tuned is None:
        return response
    name, low, high = response.tuned
    found: Response | None = None
    for value in np.linspace(low, high, _CANDIDATES):
        candidate = cast(Response, replace(cast(Any, response), **{name: float(round(value, 4))}))
        if _losses(Defense(candidate, None, grid), evidence, head) > most:
            break
        found = candidate
    if found is None:
        raise BadData(
            f"on {len(evidence.logits)} validation images even {response.name} {name}={low:g} cannot be shown to stay "
            "within the budget",
            where="--budget",
            fix="Give more validation images, a larger budget, or a defense that keeps the argmax",
        )
    return found


def _losses(defense: Defense, evidence: Evidence, head: Head) -> int:
    """Images that were answered rightly and no longer are."""
    if defense.keeps_argmax:
        return 0
    answers = defense.answer(NumpyOps(), Head("logits", head.classes), evidence.logits)
    changed = answers.argmax(axis=-1) != evidence.logits.argmax(axis=-1)
    return int((evidence.right & changed).sum())


def _tuned(defense: Defense, tuning: Tuning, evidence: Evidence, head: Head, warnings: tuple[str, ...]) -> Tuned:
    """The defense with what it loses counted."""
    lost = _losses(defense, evidence, head)
    bound = 0.0 if defense.keeps_argmax else 100 * upper_bound(lost, tuning.images)
    return Tuned(defense, replace(tuning, lost=lost, bound=bound), warnings)


def _stays_open(images: int, budget: float, most: int) -> str:
    least = least_images(budget / 100)
    if images < least:
        return (
            f"NO GATE: {images} validation images cannot prove a loss of at most {budget:g} percentage points; "
            f"that takes at least {least}"
        )
    if most < 0:
        return f"NO GATE: the response alone uses up the budget of {budget:g} percentage points"
    return "NO GATE: no validation image scores below those that were answered rightly"


def _doubts(evidence: Evidence) -> tuple[str, ...]:
    right = float(evidence.right.mean())
    if evidence.labels is None or len(evidence.labels) < _ENOUGH_TO_SAY or right < _TRAINED_ON:
        return ()
    return (
        f"the network is right on {right:.2%} of the validation images: if it was TRAINED on them, it is surer of them "
        "than of any others, and neither budget nor confidences hold in use",
    )
