"""ONNX Runtime sessions with everything explicit that its defaults leave to the machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeguard.errors import BadModel

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["open_session"]


def open_session(
    model: Path | bytes, *, threads: int = 1, spinning: bool = False, optimize: bool = True
) -> onnxruntime.InferenceSession:
    """A CPU session.

    :param model: a file, or a serialised model.
    :param threads: threads inside an operator; operators run one after the other.
    :param spinning: whether idle threads burn CPU time to answer sooner (onnxruntime#13808): right for a benchmark,
        wrong for a device that does other work too.
    :param optimize: whether graph optimizations run.
    :raises BadModel: ONNX Runtime refuses the model.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises a dozen unrelated types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        where = None if isinstance(model, bytes) else str(model)
        raise BadModel(f"ONNX Runtime refuses it: {reason}", where=where) from None
