"""``--max-drop``: what stays in float, decided before the network is quantized for good."""

from __future__ import annotations

from edgeguard.calibration.data_set import DataSet
from edgeguard.export.keeping import layers_to_keep
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.prepare import Prepared
from edgeguard.export.request import QuantizationChoice, Reporter
from edgeguard.export.sensitivity import Quantizer

__all__ = ["float_nodes"]


def float_nodes(
    choice: QuantizationChoice,
    prepared: Prepared[OnnxGraph],
    quantized: Quantizer,
    data: DataSet,
    validation: DataSet | None,
    reporter: Reporter,
) -> tuple[str, ...]:
    """The nodes that stay in float: those that were named, and those that the limit takes, if there is one.

    :param quantized: quantizes the network with some nodes in float, on the ranges of the whole network: whatever is
        kept, they are not measured again (onnxruntime#21908).
    :param validation: ``None`` measures on the calibration set.
    :raises EdgeguardError: see :func:`edgeguard.export.keeping.layers_to_keep`.
    """
    if choice.max_drop is None:
        return choice.keep_float
    return layers_to_keep(
        choice.max_drop,
        prepared.graph.model,
        quantized,
        prepared.logits,
        prepared.classes,
        data,
        validation,
        choice.keep_float,
        reporter,
    )
