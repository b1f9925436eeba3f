"""How a layer looks at its input: the windows that its weights are multiplied with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

__all__ = ["Geometry", "geometry_of"]

Array = np.ndarray[Any, Any]

_IMAGES = 4


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of a convolution over images, or of a matrix product, which sees all of its input at once.

    :param groups: parts that channels are divided into; each sees its own only.
    :param kernel: height and width of a window; ``None`` for a matrix product.
    :param pads: above, left, below, right.
    """

    groups: int = 1
    kernel: tuple[int, int] | None = None
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def windows(self, inputs: Array) -> Array:
        """What weights ``[outputs of a group, size]`` are multiplied with, ``[groups, size, windows]``.

        :param inputs: ``[n, channels, height, width]``, or ``[n, channels]`` for a matrix product.
        """
        if self.kernel is None:
            return np.asarray(inputs.T[None])
        # n, channels, rows, columns, and within a window its rows and columns.
        seen: Array = self._seen(inputs).transpose(1, 4, 5, 0, 2, 3)
        return np.asarray(seen.reshape(self.groups, len(seen) // self.groups * self.kernel[0] * self.kernel[1], -1))

    def mean_window(self, inputs: Array) -> Array:
        """The mean of all windows, ``[groups, size]``; see :meth:`windows`."""
        if self.kernel is None:
            return np.asarray(inputs.mean(axis=0)[None])
        return np.asarray(self._seen(inputs).mean(axis=(0, 2, 3)).reshape(self.groups, -1))

    def _seen(self, inputs: Array) -> Array:
        assert self.kernel is not None
        above, left, below, right = self.pads
        padded = np.pad(inputs, ((0, 0), (0, 0), (above, below), (left, right)))
        extent = [step * (size - 1) + 1 for size, step in zip(self.kernel, self.dilations, strict=True)]
        views = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(2, 3))
        (down, across), (row, column) = self.strides, self.dilations
        return views[:, :, ::down, ::across, ::row, ::column]


def geometry_of(node: NodeProto, weight_shape: tuple[int, ...]) -> Geometry | None:
    """The geometry of a Conv or Gemm; ``None`` for those that are computed in another way (three dimensions, padding
    that depends on the input, a transposed input).

    :param weight_shape: as the node holds its weights.
    """
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Gemm":
        plain = not attributes.get("transA") and attributes.get("alpha", 1.0) == 1 and attributes.get("beta", 1.0) == 1
        return Geometry() if plain else None
    if node.op_type != "Conv" or len(weight_shape) != _IMAGES or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    above, left, below, right = attributes.get("pads", (0, 0, 0, 0))
    return Geometry(
        int(attributes.get("group", 1)),
        (weight_shape[2], weight_shape[3]),
        _pair(attributes.get("strides", (1, 1))),
        (above, left, below, right),
        _pair(attributes.get("dilations", (1, 1))),
    )


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    height, width = values
    return height, width
