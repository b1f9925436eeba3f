"""What an answer does to the gradient of a thief's clone, for which a surrogate stands. Loads torch.

With ``G_k`` the gradient of ``log softmax_k`` of the surrogate in its weights, an answer y moves a clone along the sum
of ``y_k G_k``: the negative gradient of the cross entropy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgeguard.errors import UsageError

__all__ = ["all_weights", "answer_gradient", "gradient_products", "last_weights", "scores_along"]

Array = np.ndarray[Any, Any]


def all_weights(surrogate: nn.Module) -> list[Tensor]:
    """Everything that is trained."""
    return list(surrogate.parameters())


def last_weights(surrogate: nn.Module, classes: int) -> list[Tensor]:
    """The matrix of the dense layer that gives the logits.

    :raises UsageError: there is no such layer.
    """
    dense = [layer for layer in surrogate.modules() if isinstance(layer, nn.Linear) and layer.out_features == classes]
    if not dense:
        raise UsageError(f"the surrogate ends in no dense layer of {classes} classes", fix="Choose layers = all")
    return [dense[-1].weight]


def gradient_products(surrogate: nn.Module, weights: list[Tensor], inputs: Array) -> Array:
    """The products ``G_j G_k`` for each input, by one backward pass for each class: float64 ``[n, classes, classes]``.

    All that angles between gradients of answers depend on.

    :param inputs: float32 ``[n, *input_shape]``.
    """
    return np.array([_products(surrogate, weights, image[None]) for image in _tensor(inputs)])


def _products(surrogate: nn.Module, weights: list[Tensor], image: Tensor) -> Array:
    with torch.enable_grad():
        logs = F.log_softmax(surrogate(image), dim=1)[0]
        rows = [torch.autograd.grad(log, weights, retain_graph=True) for log in logs]
    jacobian = torch.stack([torch.cat([entry.flatten() for entry in row]) for row in rows]).double()
    return np.asarray((jacobian @ jacobian.T).numpy())


def scores_along(surrogate: nn.Module, direction: list[Tensor], inputs: Array) -> Array:
    """How far each class moves a clone along a direction: ``G_k z``, float64 ``[n, classes]``.

    By two backward passes for all inputs and classes together: the gradient of an answer is linear in the answer, so
    that its product with z, differentiated again in the answer, is ``G z``.

    :param direction: z, one tensor for each of the surrogate's parameters.
    """
    images = _tensor(inputs)
    with torch.enable_grad():
        logs = F.log_softmax(surrogate(images), dim=1)
        answers = torch.zeros_like(logs, requires_grad=True)
        gradient = torch.autograd.grad((answers * logs).sum(), all_weights(surrogate), create_graph=True)
        product = torch.stack([(one * other).sum() for one, other in zip(gradient, direction, strict=True)]).sum()
        (scores,) = torch.autograd.grad(product, answers)
    return np.asarray(scores.double().numpy())


def answer_gradient(surrogate: nn.Module, inputs: Array, answers: Array) -> list[Tensor]:
    """The mean over inputs of what their answers do: one tensor for each of the surrogate's parameters.

    :param answers: ``[n, classes]``.
    """
    with torch.enable_grad():
        logs = F.log_softmax(surrogate(_tensor(inputs)), dim=1)
        reached = (torch.from_numpy(answers).to(logs.dtype) * logs).sum(dim=1).mean()
        return list(torch.autograd.grad(reached, all_weights(surrogate)))


def _tensor(inputs: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(inputs, np.float32))
