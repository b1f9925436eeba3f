"""GPTQ: weights are rounded one after the other, and those still to come make up for the error of each.

Frantar et al., ICLR 2023, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
equations 2 and 3 with a Cholesky factor (algorithm 1). Inputs are those of the quantized network so far. How windows
vary about their mean is what counts here: what moves the mean goes into the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.layers import QuantizedLayer, limit_of
from edgeguard.export.refining.partial import Trial
from edgeguard.export.refining.rounding import refine_layers

__all__ = ["Gptq", "levels_by_feedback"]

Array = np.ndarray[Any, Any]

# Of the mean variance: what the covariance of a finite set is damped by, as in the paper.
_DAMPING = 0.01


@dataclass(frozen=True, slots=True)
class Gptq:
    """Chooses levels by the covariance of what each layer is given."""

    name: ClassVar[str] = "gptq"

    def refine(self, draft: Draft, trial: Trial) -> Draft:
        """The draft with other weights and biases."""
        return refine_layers(draft, trial, levels_by_feedback)


def levels_by_feedback(layer: QuantizedLayer, covariance: Array) -> Array:
    """Levels for a layer, float64 ``[outputs, size]``.

    :param covariance: of its windows, ``[groups, size, size]``.
    """
    groups, size = covariance.shape[:2]
    weights = (layer.weight / layer.scale[:, None]).reshape(groups, -1, size)
    limit = limit_of(layer)
    return np.concatenate([_rounded(part, each, limit) for part, each in zip(weights, covariance, strict=True)])


def _rounded(weights: Array, covariance: Array, limit: int) -> Array:
    """Whole numbers for weights ``[outputs, size]`` in steps."""
    damped = covariance + np.eye(len(covariance)) * max(_DAMPING * np.trace(covariance) / len(covariance), 1e-12)
    # What varies most has most to lose, and is rounded while there are others left to make up for it.
    order = np.argsort(-np.diag(damped), kind="stable")
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    factor = np.linalg.cholesky((inverse + inverse.T) / 2).T
    left = weights[:, order].copy()
    chosen = np.empty_like(left)
    for index in range(left.shape[1]):
        chosen[:, index] = np.clip(np.rint(left[:, index]), -limit, limit)
        error = (left[:, index] - chosen[:, index]) / factor[index, index]
        left[:, index + 1 :] -= np.outer(error, factor[index, index + 1 :])
    result = np.empty_like(chosen)
    result[:, order] = chosen
    return result
