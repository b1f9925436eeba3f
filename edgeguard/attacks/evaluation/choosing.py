"""Which cells of a grid to run."""

from __future__ import annotations

from collections.abc import Sequence

from edgeguard.attacks.evaluation.cell import AXES, Cell
from edgeguard.errors import UsageError

__all__ = ["chosen"]


def chosen(cells: Sequence[Cell], only: Sequence[tuple[str, str]]) -> tuple[Cell, ...]:
    """The cells with these names along these axes: any of the names of one axis will do, and all axes must.

    :param only: axis and name, as in ``("defense", "decoy")``.
    :raises UsageError: there is no such axis, or no cell is called so on it.
    """
    wanted: dict[str, set[str]] = {}
    for axis, name in only:
        if axis not in AXES:
            raise UsageError(f"cells have no {axis!r}", where="--only", fix=f"They have: {', '.join(AXES)}")
        known = list(dict.fromkeys(_called(cell, axis) for cell in cells))
        if name not in known:
            raise UsageError(f"the grid has no {axis} {name!r}", where="--only", fix=f"It has: {', '.join(known)}")
        wanted.setdefault(axis, set()).add(name)
    return tuple(cell for cell in cells if all(_called(cell, axis) in names for axis, names in wanted.items()))


def _called(cell: Cell, axis: str) -> str:
    return str(getattr(cell.name, axis))
