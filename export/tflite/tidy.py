"""Dropping what nothing uses any more from a TFLite model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["tidy"]

# An optional input that is not there.
_NONE = -1


def tidy(model: Any) -> None:
    """Remove from the main graph operators whose results reach no output, then tensors and constants without use.

    Operators without results stay: they are there for what they do.

    :param model: a ``ModelT``, which is changed. Other graphs, which operators may call, are left as they are.
    """
    graph = model.subgraphs[0]
    wanted = {int(index) for index in graph.outputs}
    kept = []
    for operator in reversed(graph.operators):
        if len(_ints(operator.outputs)) and not wanted.intersection(_ints(operator.outputs)):
            continue
        kept.append(operator)
        wanted.update(_ints(operator.inputs))
    graph.operators = kept[::-1]
    _drop_tensors(model, graph)
    _drop_buffers(model)
    _drop_codes(model)


def _drop_tensors(model: Any, graph: Any) -> None:
    used = {*_ints(graph.inputs), *_ints(graph.outputs)}
    for operator in graph.operators:
        used.update(_ints(operator.inputs), _ints(operator.outputs), _ints(operator.intermediates))
    numbers = _renumbered(used - {_NONE})
    graph.tensors = [graph.tensors[index] for index in numbers]
    graph.inputs, graph.outputs = _moved(graph.inputs, numbers), _moved(graph.outputs, numbers)
    for operator in graph.operators:
        operator.inputs, operator.outputs = _moved(operator.inputs, numbers), _moved(operator.outputs, numbers)
        if operator.intermediates is not None:
            operator.intermediates = _moved(operator.intermediates, numbers)
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == 0:
            for entry in (*(signature.inputs or ()), *(signature.outputs or ())):
                entry.tensorIndex = numbers[int(entry.tensorIndex)]


def _drop_buffers(model: Any) -> None:
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    metadata = model.metadata or []
    # The first one is empty, and stands for no constant at all.
    used = {0, *(int(entry.buffer) for entry in (*tensors, *metadata)), *_ints(model.metadataBuffer)}
    numbers = _renumbered(used)
    model.buffers = [model.buffers[index] for index in numbers]
    for entry in (*tensors, *metadata):
        entry.buffer = numbers[int(entry.buffer)]
    if model.metadataBuffer is not None:
        model.metadataBuffer = _moved(model.metadataBuffer, numbers)


def _drop_codes(model: Any) -> None:
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    numbers = _renumbered({int(operator.opcodeIndex) for operator in operators})
    model.operatorCodes = [model.operatorCodes[index] for index in numbers]
    for operator in operators:
        operator.opcodeIndex = numbers[int(operator.opcodeIndex)]


def _renumbered(used: Iterable[int]) -> dict[int, int]:
    """New numbers by the old ones, in their order."""
    return {old: new for new, old in enumerate(sorted(used))}


def _moved(indices: Any, numbers: dict[int, int]) -> Any:
    return np.array([numbers.get(index, _NONE) for index in _ints(indices)], np.int32)


def _ints(indices: Any) -> list[int]:
    return [] if indices is None else [int(index) for index in indices]
