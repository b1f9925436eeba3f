"""ONNX Runtime sessions with everything explicit that its defaults leave to the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.cpu import this_cpu
from edgeguard.errors import BadModel
from edgeguard.runtimes.blocks import filled_up
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.quiet_onnxruntime import import_onnxruntime

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["all_cores", "answerer", "open_session", "run_session"]

Array = np.ndarray[Any, Any]

# Inputs at once: more make no network faster on one thread, and activations of all of them are in memory.
_BLOCK = 8


def all_cores() -> int:
    """As many threads as this process may run at once."""
    return len(os.sched_getaffinity(0))


def open_session(
    model: Path | bytes,
    *,
    threads: int = 1,
    spinning: bool = False,
    optimize: bool = True,
    profile: Path | None = None,
) -> onnxruntime.InferenceSession:
    """A CPU session.

    :param model: a file, or a serialised model.
    :param threads: threads inside an operator; operators run one after the other.
    :param spinning: whether idle threads burn CPU time to answer sooner (onnxruntime#13808): right for a benchmark,
        wrong for a device that does other work too.
    :param optimize: whether graph optimizations run.
    :param profile: beginning of the name of a file that ONNX Runtime writes each node's duration to.
    :raises BadModel: ONNX Runtime refuses the model.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    # Without VNNI, x86 adds pairs of 8-bit products in 16 bits, and sums saturate: answers of full 8-bit weights are
    # wrong. With unsigned weights they are exact, as on Arm. ONNX Runtime's own test would slow VNNI down, too; for Arm
    # the entry means nothing.
    if not this_cpu().dot_product:
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 4
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    try:
        return ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises a dozen unrelated types
        where = None if isinstance(model, bytes) else str(model)
        raise BadModel(f"ONNX Runtime refuses it: {first_line(error)}", where=where) from None


def run_session(session: onnxruntime.InferenceSession, inputs: Array, batch: int | None) -> Array:
    """The only output of a session for any number of inputs.

    :param inputs: ``[n, *input_shape]``.
    :param batch: the batch size that the graph is fixed to: inputs are fed in such blocks, the last one padded with
        copies of its last input; ``None`` feeds them in blocks that keep memory small.
    :raises BadModel: ONNX Runtime fails while running the model.
    """
    name = session.get_inputs()[0].name
    try:
        if batch is None:
            starts = range(0, max(1, len(inputs)), _BLOCK)
            parts = [session.run(None, {name: inputs[start : start + _BLOCK]})[0] for start in starts]
            return np.asarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)
        blocks = []
        for start in range(0, len(inputs), batch):
            block = inputs[start : start + batch]
            fed = filled_up(block, batch)
            blocks.append(np.asarray(session.run(None, {name: fed})[0])[: len(block)])
        return np.concatenate(blocks)
    except Exception as error:  # ONNX Runtime raises a dozen unrelated types
        raise BadModel(f"ONNX Runtime fails while running it: {first_line(error)}") from None


def answerer(model: Path | bytes, batch: int | None) -> Callable[[Array], Array]:
    """A function that runs a model: inputs ``[n, *input_shape]`` to its only output.

    :param model: a file, or a serialised model.
    :param batch: the batch size that the graph is fixed to, or ``None``.
    :raises BadModel: ONNX Runtime refuses it.
    """
    session = open_session(model)
    return lambda inputs: run_session(session, inputs, batch)
