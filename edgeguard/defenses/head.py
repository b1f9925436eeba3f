"""What a network ends in, and how that becomes a posterior. The only place where defenses meet quantized numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from edgeguard.defenses.ops import Ops
from edgeguard.errors import BadModel

__all__ = ["Head", "posterior"]

T = TypeVar("T")

_VALUES = {"uint8": range(256), "int8": range(-128, 128)}


@dataclass(frozen=True, slots=True)
class Head:
    """The last tensor of a network, ``[batch, classes]``.

    :param kind: ``logits``, or ``posterior`` if the network already ends in a softmax.
    :param dtype: of the tensor as the backend holds it.
    :param scale: quantization step of an integer tensor, in logits; ``None`` for float.
    :param zero_point: the integer that means zero; ``None`` for float.
    """

    kind: Literal["logits", "posterior"]
    classes: int
    dtype: Literal["float32", "uint8", "int8"] = "float32"
    scale: float | None = None
    zero_point: int | None = None

    def __post_init__(self) -> None:
        """Refuse heads that cannot be.

        :raises BadModel: fewer than two classes, or quantization parameters that do not fit ``dtype``.
        """
        if self.classes < 2:
            raise BadModel(f"a classifier needs at least two classes, this head has {self.classes}")
        quantized = self.dtype != "float32"
        if quantized != (self.scale is not None) or quantized != (self.zero_point is not None):
            raise BadModel(f"scale and zero point go with integer heads, and only with them (dtype {self.dtype})")
        if self.scale is not None and not 0 < self.scale < np.inf:
            raise BadModel(f"a quantization step must be positive and finite, this head's is {self.scale:g}")
        if self.zero_point is not None and self.zero_point not in _VALUES[self.dtype]:
            raise BadModel(f"the zero point {self.zero_point} of this head is no {self.dtype}")


def posterior(ops: Ops[T], head: Head, value: T) -> T:
    """The posterior, float ``[batch, classes]``, from the network's last tensor."""
    if head.scale is not None and head.zero_point is not None:
        integer = np.uint8 if head.dtype == "uint8" else np.int8
        value = ops.dequantize(value, head.scale, integer(head.zero_point))
    return ops.softmax(value) if head.kind == "logits" else value
