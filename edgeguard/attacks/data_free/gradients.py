"""The slope of a function that can only be asked: forward differences along random directions.

With f of one point in d dimensions, u drawn uniformly from the unit sphere and epsilon > 0::

    g = d / m * sum over m directions of (f(x + epsilon u) - f(x)) / epsilon * u

E[u u^T] = I / d, so that the expectation of g is the gradient exactly where f is affine, and also where it is
quadratic, as E[(u^T H u) u] = 0; of other f it is the gradient of f's mean over a ball of radius epsilon (Flaxman et
al., SODA 2005, lemma 1). Of an affine f with gradient v, |g|^2 has the expectation (d + m - 1) / m |v|^2: for m = 1 it
is d^2 E[(u^T v)^2] = d |v|^2, and of m independent directions only the part that is not v itself is divided by m.

SOURCE: Truong et al., "Data-Free Model Extraction" (CVPR 2021), eq. 5; Kariyappa et al., "MAZE" (CVPR 2021), eq. 6.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["directions", "forward_differences"]


def directions(like: Tensor, draws: torch.Generator) -> Tensor:
    """One uniform direction of length 1 for each point, of the points' shape ``[n, *shape]``, on their device.

    :param draws: on the CPU, so that every device draws the same.
    """
    drawn = torch.randn(like.shape, generator=draws).flatten(1)
    # A Gaussian vector of length 0 has the probability 0 and would be the only one without a direction.
    unit: Tensor = drawn / drawn.norm(dim=1, keepdim=True).clamp_min(torch.finfo(drawn.dtype).tiny)
    return unit.view_as(like).to(like)


def forward_differences(
    values: Callable[[Tensor], Tensor], points: Tensor, count: int, epsilon: float, draws: torch.Generator
) -> Tensor:
    """Estimated gradients at points, ``[n, *shape]``; ``values`` sees ``(count + 1) * n`` points in all.

    :param values: from points to one value each, ``[n]``; never differentiated.
    :param count: m, directions a point.
    :param epsilon: how far along each.
    """
    size = points[0].numel()
    with torch.no_grad():
        here = values(points)
        total = torch.zeros_like(points)
        for _ in range(count):
            unit = directions(points, draws)
            slopes = (values(points + epsilon * unit) - here) / epsilon
            total += slopes.view(-1, *[1] * (points.ndim - 1)) * unit
        return total * (size / count)
