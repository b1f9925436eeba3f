"""Model files as functions, whatever their format: those of a lab, which no manifest of an artifact describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.runtimes.loading import probe_model

__all__ = ["float_answerer"]

Array = np.ndarray[Any, Any]


def float_answerer(model: Path, kind: str, batch: int | None) -> Callable[[Array], Array]:
    """A function that runs a model: inputs, float32 ``[n, *input_shape]``, to its only output as float.

    :param kind: its format.
    :param batch: the batch size that an ONNX graph is fixed to, or ``None``; a TFLite file says it itself.
    :raises BadModel: its engine refuses it, dies of it, or finds several inputs or outputs.
    :raises DeviceError: its engine is not installed here.
    """
    if kind == "onnx":
        from edgeguard.runtimes.ort_session import answerer

        return answerer(model, batch)
    from edgeguard.runtimes.litert_session import open_litert

    probe_model(model, kind)
    session = open_litert(model)
    return lambda inputs: session.dequantized(session.run(inputs))
