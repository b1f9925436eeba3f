"""Every node has a name of its own."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.errors import GuardFailed
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.named import Named
from tests.artifacts import random_network
from tests.export.graphs import random_inputs, run


def test_nodes_without_a_name_and_those_that_share_one_get_their_own() -> None:
    model = random_network()
    for each, name in zip(model.graph.node, ("", "same", "same", "node_c1", "", "dense"), strict=True):
        each.name = name
    result = run_passes(model, [Named()])
    assert [each.name for each in result.graph.node] == ["node_c1_", "same", "node_c2", "node_c1", "node_flat", "dense"]
    values = random_inputs(4, (3, 16, 16))
    assert np.array_equal(run(result, values), run(random_network(), values))
    assert run_passes(result, [Named()]) == result


def test_its_guards() -> None:
    model = random_network()
    doctored = random_network()
    doctored.graph.node[0].name = ""
    with pytest.raises(GuardFailed, match="one without"):
        Named().ensures(model, doctored)
    doctored = random_network()
    doctored.graph.node[0].output[0] = "elsewhere"
    with pytest.raises(GuardFailed, match="changed the graph"):
        Named().ensures(model, doctored)
