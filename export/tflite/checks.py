"""Is an int8 TFLite file really int8, on the grids that were asked for, and how much of it runs in integers?"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgeguard.defenses.head import Grid
from edgeguard.errors import GuardFailed
from edgeguard.export.tflite.flatbuffer import builtin, name_of, unpack
from edgeguard.export.tflite.operators import WEIGHTED

__all__ = ["check_grids", "check_really_int8", "in_integers", "macs_of", "tflite_integer_share", "weighted"]

Operator = schema.BuiltinOperator
Kind = schema.TensorType

_INTEGERS = (Kind.INT8, Kind.UINT8)
# Below this, names and shapes outweigh the weights and the size of a file says nothing.
_SMALL = 64 * 1024
_MOST = 0.6


def check_really_int8(before: bytes, after: bytes, kept: Collection[str]) -> None:
    """Every layer computes on int8, and the file shrank accordingly (ultralytics#17158, #4709, nncf#1936).

    :param kept: tensors whose operators stay in float.
    :raises GuardFailed: one does not, or it did not.
    """
    model = unpack(after)
    graph = model.subgraphs[0]
    for each in weighted(model):
        tensors = [graph.tensors[index] for index in (each.inputs[0], each.inputs[1], each.outputs[0])]
        name = tensors[2].name.decode()
        if name not in kept and any(tensor.type != Kind.INT8 for tensor in tensors):
            raise GuardFailed(
                "computes in float: the file would be int8 in name only (nncf#1936)",
                where=f"{name_of(builtin(model, each))} {name!r}",
                fix="Name it with --keep-float if that is meant",
            )
    sizes = {True: 0, False: 0}
    for tensor in graph.tensors:
        if model.buffers[tensor.buffer].data is not None:
            sizes[tensor.type == Kind.INT8] += math.prod(int(size) for size in tensor.shape)
    if len(before) > _SMALL and sizes[False] < sizes[True] and len(after) > _MOST * len(before):
        raise GuardFailed(
            f"the int8 file has {len(after)} bytes, the float one {len(before)}: it is no int8 file (ultralytics#17158)"
        )


def check_grids(data: bytes, grids: Mapping[str, Grid]) -> None:
    """Every tensor is on the grid that its range gave it.

    :param grids: by the name that the tensor had before quantization.
    :raises GuardFailed: one is not.
    """
    graph = unpack(data).subgraphs[0]
    tensors = {tensor.name.decode(): tensor for tensor in graph.tensors}
    for name, grid in grids.items():
        # What stays float has its int8 copy beside it; what is int8 may have a copy on the grid of a concatenation.
        held = [tensors[each] for each in (name, f"{name}_int8", f"{name}_quantized") if each in tensors]
        integer = next((each for each in held if each.type == Kind.INT8), None)
        if integer is None:
            raise GuardFailed("is float in the int8 file (nncf#1936)", where=f"tensor {name!r}", fix="Please report it")
        scales, zeros = integer.quantization.scale, integer.quantization.zeroPoint
        if len(scales) != 1 or (float(scales[0]), int(zeros[0])) != (grid.scale, grid.zero):
            raise GuardFailed(
                f"has scale {float(scales[0]):g} and zero point {int(zeros[0])}, not {grid.scale:g} and {grid.zero}",
                where=f"tensor {name!r}",
                fix="Please report it",
            )


def tflite_integer_share(data: bytes) -> float:
    """Share of multiply-accumulates in integer kernels, 0..1 (onnxruntime#12487: islands nobody noticed)."""
    model = unpack(data)
    macs = {True: 0, False: 0}
    for each in weighted(model):
        macs[in_integers(model, each)] += macs_of(model, each)
    total = macs[True] + macs[False]
    return macs[True] / total if total else 0.0


def macs_of(model: Any, operator: Any) -> int:
    """Multiply-accumulates of one run of an operator with weights, of an unpacked model."""
    source, weight, result = _tensors(model, operator)
    sizes = [int(size) for size in weight.shape]
    outputs = math.prod(int(size) for size in result.shape)
    # Weights of a convolution are [out, h, w, in], of a depthwise one [1, h, w, out], of a product [out, in].
    kind = builtin(model, operator)
    served = sizes[-1] if kind == Operator.DEPTHWISE_CONV_2D else sizes[0]
    if kind == Operator.BATCH_MATMUL:
        return outputs * int(source.shape[-1])
    return outputs * math.prod(sizes) // served


def in_integers(model: Any, operator: Any) -> bool:
    """Whether an operator with weights, of an unpacked model, computes in integers."""
    source, weight, _ = _tensors(model, operator)
    return bool(source.type in _INTEGERS and weight.type in _INTEGERS)


def weighted(model: Any) -> list[Any]:
    """The operators with weights of an unpacked model's only graph, in order."""
    return [each for each in model.subgraphs[0].operators if builtin(model, each) in WEIGHTED]


def _tensors(model: Any, operator: Any) -> tuple[Any, Any, Any]:
    tensors = model.subgraphs[0].tensors
    source, weight, result = (tensors[index] for index in (*operator.inputs[:2], operator.outputs[0]))
    return source, weight, result
