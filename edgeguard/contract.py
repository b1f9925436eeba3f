"""The contract of answers: what every answer must be, whatever defense made it and wherever it runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.errors import GuardFailed

__all__ = ["SUM_TOLERANCE", "check_contract", "check_finite"]

Array = np.ndarray[Any, Any]

# Float32 rows of up to a few thousand entries, normalised in float32.
SUM_TOLERANCE = 1e-4


def check_contract(
    answers: Array, undefended: Array | None = None, *, keeps_argmax: bool = False, classes: int | None = None
) -> None:
    """Refuse answers that are no posterior (onnx2tf#942), or that lost an argmax the defense promised to keep.

    :param answers: float ``[n, classes]``.
    :param undefended: posteriors to the same inputs, of the same shape; only looked at with ``keeps_argmax``.
    :param classes: what the last axis must be; ``None`` takes any.
    :raises GuardFailed: with the figures of the worst row.
    """
    if answers.ndim != 2 or answers.dtype.kind != "f" or classes not in (None, answers.shape[-1]):
        expected = "classes" if classes is None else classes
        raise GuardFailed(
            f"the model answers with {answers.dtype} {list(answers.shape)}, not with floats [batch, {expected}]"
        )
    if not answers.size:
        return
    check_finite(answers)
    if answers.min() < 0:
        raise GuardFailed(f"the model answers with a negative probability ({answers.min():.3g})")
    worst = float(np.abs(answers.sum(axis=-1, dtype=np.float64) - 1).max())
    if worst > SUM_TOLERANCE:
        raise GuardFailed(f"answers sum to 1 only within {worst:.3g}, not within {SUM_TOLERANCE:g}")
    if keeps_argmax and undefended is not None and not _argmax_kept(answers, undefended).all():
        raise GuardFailed("the defense promises to keep the argmax and did not")


def check_finite(values: Array) -> None:
    """Refuse logits or answers that are no numbers.

    :raises GuardFailed: there is NaN or infinity among them.
    """
    if not np.isfinite(values).all():
        raise GuardFailed("the model answers with NaN or infinity", fix="Check the network's weights and input range")


def _argmax_kept(answers: Array, undefended: Array) -> Array:
    """Bool ``[n]``. Logits that differ may have equal posteriors: then either class will do."""
    chosen = np.take_along_axis(undefended, answers.argmax(axis=-1)[:, None], axis=-1)[:, 0]
    kept: Array = chosen == undefended.max(axis=-1)
    return kept
