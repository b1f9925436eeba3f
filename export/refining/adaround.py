"""AdaRound: for each weight, whether it is rounded up or down is learned, so that a layer's outputs change least.

Nagel et al., ICML 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization", equations 21 to 25. The paper
draws inputs in batches; its loss (before the activation function) depends on them only through how a layer's windows
vary together, so that a step here costs one matrix product, however many inputs there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.gptq import levels_by_feedback
from edgeguard.export.refining.layers import QuantizedLayer, limit_of
from edgeguard.export.refining.partial import Trial
from edgeguard.export.refining.rounding import refine_layers
from edgeguard.export.refining.threads import one_thread

__all__ = ["AdaRound", "levels_by_adaround"]

Array = np.ndarray[Any, Any]

# Of the paper: the stretch of the sigmoid, the weight of the regularizer, the range of its exponent, and the share of
# the steps in which the regularizer is off.
_HIGH, _LOW = 1.1, -0.1
_WEIGHT = 0.01
_BETAS = (20.0, 2.0)
_WARM_UP = 0.2
_STEPS = 2000
_RATE = 1e-2
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class AdaRound:
    """Learns the levels of weights by the covariance of what each layer is given."""

    name: ClassVar[str] = "adaround"

    def refine(self, draft: Draft, trial: Trial) -> Draft:
        """The draft with other weights and biases."""
        return refine_layers(draft, trial, levels_by_adaround)


def levels_by_adaround(layer: QuantizedLayer, covariance: Array) -> Array:
    """Levels for a layer, float64 ``[outputs, size]``: those learned, those of GPTQ or the nearest, whichever moves an
    output's variable part least.

    :param covariance: of its windows, ``[groups, size, size]``.
    """
    groups, size = covariance.shape[:2]
    weights = (layer.weight / layer.scale[:, None]).reshape(groups, -1, size)
    limit = limit_of(layer)
    mean = np.maximum(np.einsum("gss->g", covariance) / size, _TINY)
    with one_thread():
        learned = _learned(torch.from_numpy(weights), torch.from_numpy(covariance / mean[:, None, None]), limit)
    others = levels_by_feedback(layer, covariance), layer.integers.levels
    candidates = np.stack([learned, *(each.reshape(weights.shape) for each in others)])
    errors = candidates - weights
    losses = np.einsum("cgos,gst,cgot->cgo", errors, covariance, errors, optimize=True)
    best = losses.argmin(axis=0)
    chosen = np.take_along_axis(candidates, best[None, :, :, None], axis=0)[0]
    return np.asarray(chosen.reshape(-1, size))


def _learned(weights: torch.Tensor, covariance: torch.Tensor, limit: int) -> Array:
    """Whole numbers for weights ``[groups, outputs, size]`` in steps."""
    wanted, shared = weights.float(), covariance.float()
    below = wanted.floor()
    # The variable from which the stretched sigmoid makes the weights as they are.
    share = ((wanted - below - _LOW) / (_HIGH - _LOW)).clamp(1e-4, 1 - 1e-4)
    variable = torch.log(share / (1 - share)).requires_grad_()
    optimizer = torch.optim.Adam([variable], lr=_RATE)
    for step in range(_STEPS):
        up = _up(variable)
        error = (below + up).clamp(-limit, limit) - wanted
        loss = ((error @ shared) * error).sum()
        done = (step / _STEPS - _WARM_UP) / (1 - _WARM_UP)
        if done > 0:
            beta = _BETAS[1] + (_BETAS[0] - _BETAS[1]) * (1 + math.cos(math.pi * done)) / 2
            loss = loss + _WEIGHT * (1 - (2 * up - 1).abs().pow(beta)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        decided = (below + (_up(variable) >= 1 / 2)).clamp(-limit, limit)
    return np.asarray(decided.double().numpy())


def _up(variable: torch.Tensor) -> torch.Tensor:
    return (torch.sigmoid(variable) * (_HIGH - _LOW) + _LOW).clamp(0, 1)
