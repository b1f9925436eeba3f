"""``--max-drop``: what stays in float, decided before the network is quantized for good."""

from __future__ import annotations

from collections.abc import Mapping

from edgeguard.calibration.data_set import DataSet
from edgeguard.calibration.observers import Range
from edgeguard.export.graph import Runner
from edgeguard.export.keeping import layers_to_keep
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.passes.quantize import Quantize
from edgeguard.export.prepare import Prepared
from edgeguard.export.request import QuantizationChoice, Reporter
from edgeguard.targets import Target

__all__ = ["float_nodes"]


def float_nodes(
    choice: QuantizationChoice,
    target: Target,
    prepared: Prepared[OnnxGraph],
    ranges: Mapping[str, Range],
    data: DataSet,
    validation: DataSet | None,
    batch: int | None,
    reporter: Reporter,
) -> tuple[str, ...]:
    """The nodes that stay in float: those that were named, and those that the limit takes, if there is one.

    :param ranges: of the whole network; whatever is kept, they are not measured again (onnxruntime#21908).
    :param validation: ``None`` measures on the calibration set.
    :raises EdgeguardError: see :func:`edgeguard.export.keeping.layers_to_keep`.
    """
    if choice.max_drop is None:
        return choice.keep_float

    def quantized(kept: tuple[str, ...]) -> Runner:
        passed = Quantize(target, ranges, keep_float=kept, head=choice.head)
        return OnnxGraph(passed.run(prepared.graph.model)).runner(batch)

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
