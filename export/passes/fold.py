"""Folding: constants, BatchNorm and identities disappear into what is left.

Quantizing an unfolded BatchNorm costs accuracy and an integer island; ONNX Runtime's own "basic" optimizations, which
stay within standard operators, fold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import onnx
from onnx import ModelProto

from edgeguard.errors import BadModel, GuardFailed
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.quiet_onnxruntime import import_onnxruntime
from edgeguard.staging import scratch_directory

__all__ = ["Fold", "optimized"]


@dataclass(frozen=True, slots=True)
class Fold:
    """ONNX Runtime's basic graph optimizations, written back as a standard model."""

    name: ClassVar[str] = "fold"

    def requires(self, model: ModelProto) -> None:
        """Nothing: any model may be folded."""

    def run(self, model: ModelProto) -> ModelProto:
        """The folded model; interface, operator set and IR version stay."""
        result = optimized(model, extended=False)
        used = {node.domain for node in result.graph.node}
        imports = [entry for entry in result.opset_import if entry.domain in used | {""}]
        del result.opset_import[:]
        result.opset_import.extend(imports)
        result.ir_version = model.ir_version
        return result

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """Only standard operators, and the same inputs and outputs."""
        foreign = sorted({node.op_type for node in after.graph.node if node.domain not in ("", "ai.onnx")})
        if foreign:
            raise GuardFailed(f"folding introduced operators that are not standard: {', '.join(foreign)}")
        for kind in ("input", "output"):
            names = [[value.name for value in getattr(model.graph, kind)] for model in (before, after)]
            if names[0] != names[1]:
                raise GuardFailed(f"folding changed the {kind}s from {names[0]} to {names[1]}")


def optimized(model: ModelProto, *, extended: bool) -> ModelProto:
    """The graph that ONNX Runtime makes of a model.

    :param extended: with its own fused and integer operators, as it would run; else standard operators only.
    :raises BadModel: ONNX Runtime refuses the model.
    """
    ort = import_onnxruntime()
    with scratch_directory() as scratch:
        path = scratch / "optimized.onnx"
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        # An x86 CPU would turn signed activations into unsigned ones first. Files with signed ones are for Arm.
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        level = ort.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_EXTENDED if extended else level.ORT_ENABLE_BASIC
        try:
            ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types
            raise BadModel(f"ONNX Runtime refuses it: {first_line(error)}") from None
        return onnx.load(path)
