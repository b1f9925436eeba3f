"""What a TFLite file says about each of its layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeguard.export.inspection.facts import LayerFacts, OutputGrid
from edgeguard.export.tflite.checks import in_integers, macs_of, weighted
from edgeguard.export.tflite.flatbuffer import builtin, name_of, unpack

__all__ = ["tflite_facts"]

_TYPES = {schema.TensorType.INT8: np.int8, schema.TensorType.UINT8: np.uint8}
_BYTES = {schema.TensorType.INT8: 1, schema.TensorType.UINT8: 1, schema.TensorType.FLOAT16: 2}
_FLOAT_BYTES = 4


def tflite_facts(data: bytes) -> tuple[LayerFacts, ...]:
    """Of every layer, in graph order. Kernels are those of the file; XNNPACK's replace them by equal types.

    :param data: of a file that an interpreter has accepted in a process of its own.
    :raises BadModel: its flatbuffer cannot be read.
    """
    model = unpack(data)
    graph = model.subgraphs[0]
    found = []
    for each in weighted(model):
        weights, result = graph.tensors[each.inputs[1]], graph.tensors[each.outputs[0]]
        kind, batch = name_of(builtin(model, each)), int(graph.tensors[graph.inputs[0]].shape[0])
        size = math.prod(int(side) for side in weights.shape) * _BYTES.get(weights.type, _FLOAT_BYTES)
        name, integer = result.name.decode(), in_integers(model, each)
        macs = macs_of(model, each) // max(1, batch)
        found.append(LayerFacts(name, kind, kind, integer, macs, size, _grid(result)))
    return tuple(found)


def _grid(tensor: Any) -> OutputGrid | None:
    held = tensor.quantization
    if tensor.type not in _TYPES or held is None or held.scale is None or len(held.scale) != 1:
        return None
    scale, zero, limits = float(held.scale[0]), int(held.zeroPoint[0]), np.iinfo(_TYPES[tensor.type])
    name = tensor.name.decode()
    return OutputGrid(name, scale, zero, (int(limits.min) - zero) * scale, (int(limits.max) - zero) * scale)
