"""What a thief knows of the defense: its name, its parameters, what its answers look like, and not its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from edgeguard.calibration.gating import Threshold, fit_gate
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.response import KeyedResponse, Response, is_table
from edgeguard.defenses.rows import ONE_LEVEL
from edgeguard.keys import MasterKey

__all__ = ["NOTHING", "Knowledge", "Shadow", "knowledge_of"]

Array = np.ndarray[Any, Any]
# From logits, float32 [n, classes], and a seed to the answers that the defense would give under a key of the thief's.
Shadow = Callable[[Array, int], Array]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Of one defense.

    :param shadow: the thief's own copy of it; ``None`` where there is none, or he has never heard of it.
    :param exact: whether that copy answers as the defense itself does, each row on its own: no key has a part in it.
    """

    shadow: Shadow | None = None
    exact: bool = False


NOTHING = Knowledge()


def knowledge_of(defense: Defense) -> Knowledge:
    """All but the key: what a key decides is drawn anew, by another one.

    What was fitted to the owner's images (levels, the threshold of a gate) counts as known: it can be read off many
    answers. What gated answers imitate is fitted again, to the very logits that the thief's copy is asked with.
    """

    def shadow(logits: Array, seed: int) -> Array:
        key = MasterKey(np.random.default_rng(seed).bytes(32))
        return np.asarray(_rekeyed(defense, key, logits).answer(NumpyOps(), Head("logits", logits.shape[1]), logits))

    return Knowledge(shadow, exact=not defense.response.keyed and defense.gate is None)


def _rekeyed(defense: Defense, key: MasterKey, logits: Array) -> Defense:
    response = defense.response
    if response.keyed:
        response = cast(Response, cast(KeyedResponse, response).drawn(key, logits.shape[1]))
    gate = defense.gate
    if gate is not None:
        threshold = Threshold(gate.score, gate.threshold, gate.thresholds)
        levels = response.table_levels() if is_table(response) else ONE_LEVEL
        gate = fit_gate(key, threshold, logits, levels, logits, cast(Grid, defense.grid)).gate
    return replace(defense, response=response, gate=gate)
