"""What a network ends in, and what a defense asks about it. The only place where defenses meet quantized numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np

from edgeguard.defenses.ops import Integer, Ops
from edgeguard.errors import BadModel

__all__ = ["Grid", "Head", "Query", "posterior"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]

if TYPE_CHECKING:
    from functools import cached_property as _once
else:

    class _once:
        """``functools.cached_property`` without its lock, which before Python 3.12 cost more than what is cached."""

        def __init__(self, compute):
            self._compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner, name):
            self._name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self._name] = self._compute(instance)
            return value


_VALUES = {"uint8": range(256), "int8": range(-128, 128)}
_CENTRE = 128
# The least normal float32: nothing smaller is told from zero alike everywhere.
_TINY = 1e-37


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

    @property
    def grid(self) -> Grid | None:
        """The grid that integer logits lie on; ``None`` for a head whose logits are, or become, float."""
        if self.kind == "posterior" or self.scale is None or self.zero_point is None:
            return None
        return _grid(self.scale, self.zero_point - self.centre)

    @property
    def centre(self) -> int:
        """What an integer tensor holds in the middle of its range."""
        return _CENTRE if self.dtype == "uint8" else 0


@dataclass(frozen=True, slots=True)
class Grid:
    """The 256 steps that decisions on logits are made in: step s, of -128 ... 127, stands for ``(s - zero) * scale``.

    An integer head has its own. For a float head the tuning chooses one, and a logit is at the step it rounds to.
    """

    scale: float
    zero: int

    def __post_init__(self) -> None:
        """Refuse grids that cannot be.

        :raises BadModel: the scale is not positive and finite, or zero lies off the grid.
        """
        if not 0 < self.scale < np.inf or not -_CENTRE <= self.zero < _CENTRE:
            raise BadModel(f"a grid of scale {self.scale:g} and zero {self.zero} cannot be")

    def steps(self, logits: Array) -> Array:
        """The steps of float logits, int64 of the same shape."""
        steps = np.rint(logits.astype(np.float32) / np.float32(self.scale)) + np.float32(self.zero)
        limited: Array = np.clip(steps, -_CENTRE, _CENTRE - 1).astype(np.int64)
        return limited

    def edge(self, step: int) -> float:
        """The least float32 logit at ``step`` or above; minus infinity for the first step, infinity beyond the last."""
        return _edge(self, step)


@lru_cache(maxsize=64)
def _grid(scale: float, zero: int) -> Grid:
    """Made and checked once, not for every query."""
    return Grid(scale, zero)


@lru_cache(maxsize=4096)
def _edge(grid: Grid, step: int) -> float:
    if step <= -_CENTRE:
        return -np.inf
    if step >= _CENTRE:
        return np.inf
    # The quotient rounds, so the edge in real numbers may be a float or two away.
    edge = np.array([(step - 0.5 - grid.zero) * grid.scale], np.float32)
    while grid.steps(edge)[0] >= step:
        edge = np.nextafter(edge, np.float32(-np.inf))
    while grid.steps(edge)[0] < step:
        edge = np.nextafter(edge, np.float32(np.inf))
    return float(edge[0])


def posterior(ops: Ops[T], head: Head, value: T) -> T:
    """The posterior, float ``[batch, classes]``, from the network's last tensor."""
    return Query(ops, head, value).posterior


class Query(Generic[T]):
    """The network's last tensor, and all that a defense asks about it, each computed once and only if asked for.

    :param grid: needed for what is said in steps, on a float head; an integer head's own must be the same.
    """

    def __init__(self, ops: Ops[T], head: Head, value: T, grid: Grid | None = None) -> None:
        own = head.grid
        if own is not None and grid is not None and own != grid:
            raise BadModel("the defense was tuned for other logits than this network's", fix="Tune it again")
        self.ops = ops
        self.head = head
        self._value = value
        self._grid = own or grid
        self._integer_logits = own is not None

    @_once
    def logits(self) -> T:
        """Float logits; of a posterior their logarithms, which are logits up to a constant."""
        if self.head.kind == "posterior":
            return self.ops.log(self.ops.clip(self._float, _TINY, 1.0))
        return self._float

    @_once
    def posterior(self) -> T:
        """The class probabilities."""
        return self._float if self.head.kind == "posterior" else self.ops.softmax(self._float)

    @_once
    def top(self) -> T:
        """Index of the most likely class: of equal ones the first."""
        return self.ops.arg_max(self._value)

    @_once
    def one_hot(self) -> T:
        """1 at the most likely class."""
        # Integers are compared as they are held: their scale and zero change nothing, and a cast costs less.
        return self.ops.one_hot_top(self.held if self._integer_logits else self._float)

    @_once
    def held(self) -> T:
        """Integer logits as the head holds them, as float."""
        return self.ops.as_float(self._value)

    @_once
    def steps(self) -> T:
        """The logits in steps of the grid, -128 ... 127, as float."""
        if self._integer_logits:
            return self.ops.dequantize(self._value, 1.0, _typed(self.head, self._centre))
        grid = self._needed_grid
        return self.ops.dequantize(self.ops.quantize(self.logits, grid.scale, np.int8(grid.zero)), 1.0, np.int8(0))

    @_once
    def height(self) -> T:
        """The largest logit as float, ``[batch]``."""
        return self.ops.row_max(self.logits)

    def at_peak(self, table: Array) -> T:
        """What a table of the 256 steps, from -128 on, holds for the largest logit."""
        if not self._integer_logits:
            grid = self._needed_grid
            return self.ops.at_step(table, self.height, grid.scale, np.int8(grid.zero))
        # A negative index counts from the end: the table is turned instead of the index shifted.
        return self.ops.take(table if self._centre == _CENTRE else np.roll(table, _CENTRE), self._peak)

    def peak_below(self, step: int) -> T:
        """Whether the largest logit lies below a step."""
        if self._integer_logits:
            return self.ops.below(self._peak, step + self._centre)
        return self.ops.below(self.height, self._needed_grid.edge(step))

    def peak_below_own(self, steps: tuple[int, ...]) -> T:
        """Whether the largest logit lies below the step of its class."""
        if self._integer_logits:
            own = self.ops.take(np.array(steps, np.int64) + self._centre, self.top)
            return self.ops.below(self._peak, own)
        edges = np.array([self._needed_grid.edge(step) for step in steps], np.float32)
        return self.ops.below(self.height, self.ops.take(edges, self.top))

    @_once
    def _float(self) -> T:
        if self.head.scale is None or self.head.zero_point is None:
            return self._value
        return self.ops.dequantize(self._value, self.head.scale, _typed(self.head, self.head.zero_point))

    @_once
    def _peak(self) -> T:
        """The largest of integer logits as an index."""
        return self.ops.as_index(self.ops.row_max(self._value))

    @property
    def _centre(self) -> int:
        """What the head holds in the middle of the grid."""
        return self.head.centre if self._integer_logits else 0

    @property
    def _needed_grid(self) -> Grid:
        if self._grid is None:
            raise BadModel("the defense was never tuned", fix="Pass --validation")
        return self._grid


def _typed(head: Head, value: int) -> Integer:
    return np.uint8(value) if head.dtype == "uint8" else np.int8(value)
