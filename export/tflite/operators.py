"""What is quantized in a TFLite model, and what its kernels demand of the grids around them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgeguard.calibration.observers import Range
from edgeguard.errors import BadModel
from edgeguard.export.tflite.flatbuffer import builtin, unpack
from edgeguard.export.tflite.matching import activations

__all__ = ["FIXED", "OPERATORS", "VIEWS", "WEIGHTED", "quantizable_activations", "quantized_operators"]

Operator = schema.BuiltinOperator

# Kernels that compute on other grids than they are given keep their input's: an average of pooled pixels, too.
VIEWS = frozenset(
    {Operator.RESHAPE, Operator.TRANSPOSE, Operator.SLICE, Operator.STRIDED_SLICE, Operator.SPLIT, Operator.PAD}
    | {Operator.MAX_POOL_2D, Operator.AVERAGE_POOL_2D, Operator.RESIZE_BILINEAR, Operator.RESIZE_NEAREST_NEIGHBOR}
)
# Kernels whose output has one grid, whatever it holds; this one's scale is 1/256, its zero point -128.
FIXED = {Operator.LOGISTIC: Range(0.0, 255 / 256)}
WEIGHTED = frozenset({Operator.CONV_2D, Operator.DEPTHWISE_CONV_2D, Operator.FULLY_CONNECTED, Operator.BATCH_MATMUL})
# The counterparts of :data:`edgeguard.export.passes.quantize.OPERATORS`, as far as ai-edge-quantizer knows them.
OPERATORS = (
    VIEWS | WEIGHTED | FIXED.keys() | {Operator.ADD, Operator.MUL, Operator.MEAN, Operator.CONCATENATION, Operator.RELU}
)


def quantized_operators(model: Any, kept: Collection[str]) -> list[Any]:
    """The operators of an unpacked model that are quantized.

    :param kept: tensors whose operators stay in float.
    """
    graph = model.subgraphs[0]
    return [
        each
        for each in graph.operators
        if builtin(model, each) in OPERATORS
        and graph.tensors[each.outputs[0]].type == schema.TensorType.FLOAT32
        and not {graph.tensors[index].name.decode() for index in each.outputs} & set(kept)
    ]


def quantizable_activations(data: bytes, kept: Collection[str]) -> dict[str, str | Range | None]:
    """Every activation that needs a grid, in graph order, and where that comes from: another tensor, the kernel that
    gives it one range only, or, if ``None``, what it was seen to hold.

    :param kept: tensors whose operators stay in float.
    :raises BadModel: nothing can be quantized.
    """
    model = unpack(data)
    names = {index: model.subgraphs[0].tensors[index].name.decode() for index in activations(data)}
    operators = quantized_operators(model, kept)
    if not any(builtin(model, each) in WEIGHTED for each in operators):
        raise BadModel("has no convolution or matrix product to quantize", fix="Export it without --int8")
    needed: dict[str, str | Range | None] = {}
    for each in operators:
        kind = builtin(model, each)
        inputs = [names[int(index)] for index in each.inputs if int(index) in names]
        for name in inputs:
            needed.setdefault(name, None)
        source = inputs[0] if inputs and kind in VIEWS else FIXED.get(kind)
        needed |= {names[int(index)]: source for index in each.outputs if int(index) in names}
    return needed
