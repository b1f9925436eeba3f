"""Networks as torch modules that can be read where neither edgeguard nor their own source is."""

from __future__ import annotations

import operator
from pathlib import Path

from torch import fx
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F

from benchmarks.cost.networks import Net
from edgeguard.export.loading import LoadRequest, load_model

__all__ = ["folded"]


def folded(net: Net, reference: Path) -> fx.GraphModule:
    """A network with its BatchNorm folded; it pickles with its own code."""
    assert net.weights is not None
    request = LoadRequest(reference / "models" / net.weights, net.factory, input_shape=net.shape)
    module = load_model(request).module
    assert module is not None
    traced: fx.GraphModule = fuse(module.eval())
    for node in list(traced.graph.nodes):
        # An annotation that is text cannot be pickled.
        node.type = None
        _pool(traced.graph, node)
    traced.recompile()
    return traced.eval()


def _pool(graph: fx.Graph, node: fx.Node) -> None:
    """Write ``x[:, :, ::k, ::k]`` as a pooling of single pixels: Brevitas cannot slice what it quantizes."""
    if node.target is not operator.getitem:
        return
    every, also, rows, columns = node.args[1]  # type: ignore[misc]
    assert every == also == slice(None)
    assert rows == columns == slice(None, None, rows.step)
    with graph.inserting_before(node):
        pooled = graph.call_function(F.max_pool2d, (node.args[0], 1, rows.step))
    node.replace_all_uses_with(pooled)
    graph.erase_node(node)
