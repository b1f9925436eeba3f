"""The bridge to ART, the Adversarial Robustness Toolbox: our victims under its attacks, our defenses on its estimators.

Attacks that somebody else wrote are the check that ours do not flatter the defenses. Importing this module imports ART,
which takes seconds and makes the folder ``.art`` in the user's home; nothing else of edgeguard imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgeguard.attacks.black_box import BlackBox, artifact_box
from edgeguard.attacks.oracle import Oracle
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.defenses.response import is_table
from edgeguard.errors import BadData, UsageError
from edgeguard.extras import require

__all__ = ["DefensePostprocessor", "VictimClassifier", "art_classifier"]

Array = np.ndarray[Any, Any]
Outputs = Literal["posterior", "logits"]

_BlackBoxClassifier: Any = require("art.estimators.classification.blackbox", "art").BlackBoxClassifier
_Postprocessor: Any = require("art.defences.postprocessor.postprocessor", "art").Postprocessor

# What rounding, or a file of answers with few digits, may take from the sum of a posterior.
_SUM_TOLERANCE = 1e-3


class VictimClassifier(_BlackBoxClassifier):
    """A victim as ART's attacks meet it: every image that ``predict`` is given is one query to the oracle.

    Inputs are finished, float ``[n, *input_shape]`` (NCHW for a network that takes images so); answers are float32
    ``[n, classes]``. ART preprocesses nothing. ``clip_values`` are the ends of what an image can become, and ``None``
    where the input is no image. How many classes there are is public: it is read off the answer to one black input,
    which no attack sees and the oracle does not count.

    :ivar oracle: counts the queries, and refuses those beyond the budget.
    :raises EdgeguardError: the victim cannot be asked.
    """

    def __init__(self, victim: BlackBox, budget: int | None = None) -> None:
        answer = victim.ask(np.zeros((1, *victim.input_shape), np.float32))
        if answer.ndim != 2:
            raise BadData(f"answers with an array {list(answer.shape)}, not one row a query", where=victim.name)
        self.oracle = Oracle(victim, budget)
        super().__init__(
            self.oracle.ask,
            victim.input_shape,
            answer.shape[1],
            clip_values=None if victim.preprocess is None else victim.preprocess.value_range,
            preprocessing=None,
        )


def art_classifier(victim: Path | BlackBox, budget: int | None = None) -> VictimClassifier:
    """A victim for any of ART's attacks that need nothing but answers.

    :param victim: an artifact's path, or whatever else can be asked.
    :param budget: how many queries it answers; ``None`` for as many as one likes. ``predict`` raises
        :class:`edgeguard.attacks.oracle.BudgetSpent` at the first batch that goes beyond it.
    :raises EdgeguardError: the artifact cannot be loaded or asked.
    """
    return VictimClassifier(artifact_box(victim) if isinstance(victim, Path) else victim, budget)


class DefensePostprocessor(_Postprocessor):
    """One of our defenses on what any estimator of ART's predicts; never applied while fitting.

    A defense comes from :class:`~edgeguard.defenses.defense.Defense` around what
    :func:`~edgeguard.defenses.registry.configure` returns, or, fitted, from an artifact's manifest by
    :func:`~edgeguard.defenses.record.recorded_defense`.

    Of a posterior p the logarithms serve as logits. They are the network's logits but for one number for each row, the
    log-sum-exp, which a posterior has lost. So what reads how large logits are is refused there: gates by
    ``max-logit``, ``per-class-max-logit`` and ``energy``, and tables of several levels of confidence. A gate by
    ``max-probability`` gates the same queries, and may draw another wrong class for some of them.

    :param classes: of the estimator.
    :param outputs: what the estimator predicts, which ART leaves to it: probabilities, or ``logits`` as from a torch
        network without a softmax.
    :raises UsageError: the defense was never fitted, or for another number of classes, or needs logits.
    """

    def __init__(self, defense: Defense, classes: int, outputs: Outputs = "posterior") -> None:
        super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)
        needs = _needing_logits(defense)
        if outputs == "posterior" and needs is not None:
            raise UsageError(
                f"{needs} how large logits are, which probabilities do not tell",
                where="ART postprocessor",
                fix="Put it on an estimator that predicts logits, and say so with outputs='logits'",
            )
        self.defense = defense
        self._classes = classes
        self._outputs = outputs
        self._answer = PostProcessor(Head(outputs, classes), defense)

    def __call__(self, preds: Array) -> Array:
        """Answers, float32 ``[n, classes]``, from predictions of the same shape.

        :raises BadData: they have another shape, are not finite, or are no probabilities where such are expected.
        """
        where = "ART postprocessor"
        if preds.ndim != 2 or preds.shape[1] != self._classes:
            raise BadData(f"predictions {list(preds.shape)} of an estimator for {self._classes} classes", where=where)
        finished = np.ascontiguousarray(preds, np.float32)
        if not np.isfinite(finished).all():
            raise BadData("predictions hold NaN or infinity", where=where)
        if self._outputs == "posterior" and not _are_posteriors(finished):
            raise BadData(
                "predictions are no probabilities: some are negative, or a row does not sum to 1",
                where=where,
                fix="If the estimator predicts logits, say so with outputs='logits'",
            )
        return self._answer(finished)


def _needing_logits(defense: Defense) -> str | None:
    """What of the defense needs more than a posterior, as the beginning of a sentence."""
    if defense.gate is not None and defense.gate.score != "max-probability":
        return f"a gate by {defense.gate.score} asks"
    response = defense.response
    if is_table(response) and len(response.table_levels()) > 1:
        return f"{response.name} chooses its level of confidence by"
    return None


def _are_posteriors(rows: Array) -> bool:
    return bool((rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1) <= _SUM_TOLERANCE).all())
