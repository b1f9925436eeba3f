"""The theft of a cell: by images of a pool, or by images that the attack makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from edgeguard.attacks.data_free.canvas import canvas_of
from edgeguard.attacks.data_free.registry import find_data_free
from edgeguard.attacks.evaluation.cell import Cell
from edgeguard.attacks.evaluation.victims import Respondent
from edgeguard.attacks.metrics import Exposure, exposure
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.queries.registry import find_queries
from edgeguard.attacks.readings.registry import find_strategy
from edgeguard.attacks.stealing import steal
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Pool
from edgeguard.errors import UsageError

__all__ = ["stolen"]

Array = np.ndarray[Any, Any]


def stolen(
    cell: Cell, asked: Respondent, pool: Pool | None, thief: Thief, posteriors: Callable[[Array], Array]
) -> tuple[nn.Module, Exposure | None]:
    """The clone, and what the answers gave away; ``None`` for an attack that makes its own images.

    :param posteriors: of the undefended network, which the thief never sees.
    :raises UsageError: the pool or the number of queries is too small for the attack.
    """
    oracle = Oracle(asked.box, cell.queries)
    if cell.attack.data_free is not None:
        attack, canvas = find_data_free(cell.attack.data_free), canvas_of(asked.box)
        return attack(oracle, thief, cell.queries, canvas), None
    if cell.attack.strategy is None or pool is None:
        raise UsageError("asks images of a pool, and has none", where=cell.attack.name)
    choose, strategy = find_queries(cell.attack.queries), find_strategy(cell.attack.strategy)
    done = steal(oracle, pool, cell.queries, choose, strategy, thief)
    transfer, lesson = done.transfer, done.lesson
    truth = posteriors(transfer.inputs)
    return done.clone, exposure(transfer.queries, transfer.answers, truth, lesson.targets, lesson.kept)
