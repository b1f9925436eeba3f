"""Static int8 quantization in QDQ form, from our own calibration table.

ONNX Runtime's quantizer places the nodes; ranges, types and the list of operators are ours. Dynamic quantization is
never used: it fails for CNNs (onnxruntime#15888, #12558).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from edgeguard.calibration.observers import Range
from edgeguard.errors import BadModel, GuardFailed, UsageError
from edgeguard.export.checks.bias import check_bias_scales
from edgeguard.export.checks.integer import check_really_int8, check_stays_float
from edgeguard.export.grids import grid_of
from edgeguard.export.inference import inferred
from edgeguard.export.passes.fence import fence
from edgeguard.export.passes.left_float import left_float
from edgeguard.export.passes.strip import strip_notes
from edgeguard.export.passes.tidy import remove_dead_nodes, sort_nodes
from edgeguard.staging import scratch_directory
from edgeguard.targets import Target

__all__ = ["OPERATORS", "Quantize", "probe", "quantizable_tensors", "quantized_nodes"]

# What ONNX Runtime's CPU kernels do in integers, and what merely moves integers around. Quantizing anything else makes
# islands: a node that dequantizes, computes in float and quantizes again (onnxruntime#12487, #21496), or ruins accuracy
# (ultralytics#25045). Softmax stays out: its int8 output loses every perturbation below 1/512.
OPERATORS = frozenset(
    {"Conv", "Gemm", "MatMul", "Add", "Mul", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Concat"}
    | {"Relu", "Clip", "MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Pad", "Resize"}
)
_WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
_CUTTING = frozenset({"Relu", "Clip"})
_CARRIERS = frozenset({"Reshape", "Flatten", "Squeeze", "Identity"})


@dataclass(frozen=True, slots=True)
class Quantize:
    """Quantizes a network that ends in float logits; the result ends in float logits too.

    :param ranges: by tensor, for everything in :func:`quantizable_tensors`.
    :param head: ``float`` leaves the logits as the last layer's accumulators give them; ``int8`` rounds them to 256
        steps: the graph then ends in QuantizeLinear, DequantizeLinear.
    """

    target: Target
    ranges: Mapping[str, Range]
    keep_float: tuple[str, ...] = ()
    head: Literal["float", "int8"] = "float"

    name: ClassVar[str] = "quantize"

    def requires(self, model: ModelProto) -> None:
        """Something to quantize, and a range for each tensor (onnxruntime#11928)."""
        for tensor in quantizable_tensors(model, self.keep_float):
            if tensor not in self.ranges:
                raise GuardFailed(
                    "has no calibrated range (onnxruntime#11928)",
                    where=f"tensor {tensor!r}",
                    fix="Calibrate again",
                )

    def run(self, model: ModelProto) -> ModelProto:
        """The quantized model."""
        quantized = self._quantized(model)
        if self.head == "float":
            _free_logits(quantized)
        else:
            _quantize_logits(quantized, self.ranges, self.target)
        fence(quantized)
        sort_nodes(quantized.graph)
        return strip_notes(remove_dead_nodes(quantized))

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """The model is valid, bias scales are products, weights really are int8 but for those that were
        kept, and the interface is unchanged."""
        try:
            checker.check_model(after)
        except checker.ValidationError as error:
            raise GuardFailed(f"the model is invalid after quantization: {str(error).splitlines()[0]}") from None
        check_bias_scales(after)
        check_really_int8(before, after)
        check_stays_float(after, self.keep_float)
        if before.graph.output[0].name != after.graph.output[0].name:
            raise GuardFailed("quantization renamed the logits")

    def _quantized(self, model: ModelProto) -> ModelProto:
        from onnxruntime.quantization import CalibrationMethod, QuantType
        from onnxruntime.quantization.calibrate import TensorsData
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        types = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
        nodes = quantized_nodes(model, self.keep_float)
        absorbed = {name: self.ranges[output] for name, output in _absorbed(model, nodes).items()}
        ranges = {
            tensor: (np.array(limits.low, np.float32), np.array(limits.high, np.float32))
            for tensor, limits in {**self.ranges, **absorbed}.items()
        }
        copy = ModelProto()
        copy.CopyFrom(model)
        # The quantizer writes the model to a directory of its own, which it leaves behind when it is killed.
        with _quiet(), scratch_directory():
            quantizer = QDQQuantizer(
                copy,
                per_channel=self.target.per_channel,
                reduce_range=self.target.reduce_range,
                weight_qType=types[self.target.weight_type],
                activation_qType=types[self.target.activation_type],
                tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
                nodes_to_quantize=[node.name for node in nodes],
                nodes_to_exclude=[],
                op_types_to_quantize=sorted(OPERATORS),
                extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
            )
            result: ModelProto = quantizer.quantize_model()
        result.ir_version = model.ir_version
        imports = [entry for entry in result.opset_import if entry.domain == ""]
        del result.opset_import[:]
        result.opset_import.extend(imports)
        return result


def quantizable_tensors(model: ModelProto, keep_float: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every activation whose range quantization needs, in graph order. What a Relu or Clip alone reads needs none: that
    cuts it before it is rounded.

    :raises BadModel: nothing in the network can be quantized.
    :raises UsageError: ``keep_float`` names a node that is not there.
    """
    constants = _constants(model)
    floats = _float_values(model)
    nodes = quantized_nodes(model, keep_float)
    absorbed = _absorbed(model, nodes)
    if not any(node.op_type in _WEIGHTED for node in nodes):
        raise BadModel("has no convolution or matrix product to quantize", fix="Export it without --int8")
    names: dict[str, None] = {}
    for node in nodes:
        for tensor in (*node.input, *node.output):
            if tensor and tensor not in constants and tensor not in absorbed and floats.get(tensor, True):
                names[tensor] = None
    return tuple(names)


def probe(model: ModelProto, tensors: Iterable[str]) -> bytes:
    """The serialised model with ``tensors`` as additional outputs (the input itself needs none)."""
    result = ModelProto()
    result.CopyFrom(model)
    present = {value.name for value in (*result.graph.output, *result.graph.input)}
    result.graph.output.extend(ValueInfoProto(name=tensor) for tensor in tensors if tensor not in present)
    data: bytes = result.SerializeToString(deterministic=True)
    return data


def quantized_nodes(model: ModelProto, keep_float: tuple[str, ...] = ()) -> list[NodeProto]:
    """The nodes that are quantized when others are kept in float, in graph order.

    :raises UsageError: ``keep_float`` names a node that is not there.
    """
    names = {node.name for node in model.graph.node}
    unknown = sorted(set(keep_float) - names)
    if unknown:
        raise UsageError(f"there is no node {unknown[0]!r} in the network", where="--keep-float")
    constants = _constants(model)
    floats = _float_values(model)
    kept = left_float(model, keep_float)
    return [
        node
        for node in model.graph.node
        if node.op_type in OPERATORS
        and node.name not in kept
        and floats.get(node.output[0], True)
        and not set(node.input) <= constants
        and (node.op_type not in ("Conv", "Gemm") or node.input[1] in constants)
    ]


def _absorbed(model: ModelProto, nodes: Iterable[NodeProto]) -> dict[str, str]:
    """By what a quantized Relu or Clip alone reads: what that makes of it."""
    readers = Counter(name for node in model.graph.node for name in node.input)
    computed = {name for node in model.graph.node for name in node.output}
    outputs = {value.name for value in model.graph.output}
    return {
        node.input[0]: node.output[0]
        for node in nodes
        if node.op_type in _CUTTING
        and readers[node.input[0]] == 1
        and node.input[0] in computed
        and node.input[0] not in outputs
    }


def _constants(model: ModelProto) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer} | {
        name for node in model.graph.node if node.op_type == "Constant" for name in node.output
    }


def _float_values(model: ModelProto) -> dict[str, bool]:
    """Whether a value is float32, for values of known type."""
    graph = inferred(model)
    return {
        value.name: value.type.tensor_type.elem_type == TensorProto.FLOAT
        for value in (*graph.value_info, *graph.input, *graph.output)
    }


def _free_logits(model: ModelProto) -> None:
    """Take quantization off the logits, through operators that only carry them; in place."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    wanted = graph.output[0].name
    while True:
        node = producers.get(wanted)
        if node is not None and node.op_type in _CARRIERS:
            wanted = node.input[0]
            continue
        if node is None or node.op_type != "DequantizeLinear":
            return
        quantize = producers.get(node.input[0])
        if quantize is None or quantize.op_type != "QuantizeLinear":
            return
        source = producers.get(quantize.input[0])
        if source is None:
            return
        for index, name in enumerate(source.output):
            if name == quantize.input[0]:
                source.output[index] = wanted
        graph.node.remove(node)
        if not any(quantize.output[0] in other.input for other in graph.node):
            graph.node.remove(quantize)
        for other in graph.node:
            for index, name in enumerate(other.input):
                if name == quantize.input[0]:
                    other.input[index] = wanted
        producers = {name: each for each in graph.node for name in each.output}


def _quantize_logits(model: ModelProto, ranges: Mapping[str, Range], target: Target) -> None:
    """Make sure that the logits end in QuantizeLinear, DequantizeLinear; in place."""
    graph = model.graph
    name = graph.output[0].name
    last = next(node for node in graph.node if name in node.output)
    if last.op_type == "DequantizeLinear":
        return
    grid = grid_of(ranges[name])
    signed = target.activation_type == "int8"
    scale, zero = np.float32(grid.scale), np.int8(grid.zero) if signed else np.uint8(grid.zero + 128)
    constants = (f"{name}_scale", f"{name}_zero_point")
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), constant)
        for value, constant in zip((scale, zero), constants, strict=True)
    )
    for index, output in enumerate(last.output):
        if output == name:
            last.output[index] = f"{name}_float"
    graph.node.append(
        helper.make_node("QuantizeLinear", [f"{name}_float", *constants], [f"{name}_int8"], name="logits_q")
    )
    graph.node.append(helper.make_node("DequantizeLinear", [f"{name}_int8", *constants], [name], name="logits_dq"))


class _quiet:
    """ONNX Runtime's quantizer logs advice about its own command line through the root logger."""

    def __enter__(self) -> None:
        self._level = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._level)
