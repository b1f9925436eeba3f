"""Loading ``.tflite`` files, most of which come from somebody else."""

from __future__ import annotations

import hashlib

from edgeguard.errors import BadModel, UsageError
from edgeguard.export.loading.base import LoadedTflite, LoadRequest
from edgeguard.export.loading.shapes import check_input_shape
from edgeguard.extras import require
from edgeguard.runtimes.tflite_probe import probe_tflite

__all__ = ["load_tflite"]

_INPUTS = ("float32", "int8", "uint8")


def load_tflite(request: LoadRequest) -> LoadedTflite:
    """The network in a TFLite file, which a child process has tried before.

    :raises MissingExtra: there is no interpreter here.
    :raises UsageError: the input's shape does not fit the file.
    :raises RejectedInput: the file is unsafe, damaged, or not a network with one input of a usable type.
    """
    where = str(request.path)
    require("ai_edge_litert", "litert")
    facts = probe_tflite(request.path)
    assert facts is not None
    if len(facts.inputs) != 1:
        raise BadModel(
            f"has {len(facts.inputs)} inputs; a classifier has one", where=where, fix="Convert the network with one"
        )
    ((name, shape, dtype),) = facts.inputs
    if dtype not in _INPUTS:
        raise BadModel(f"its input {name!r} is {dtype}, not {', '.join(_INPUTS)}", where=where)
    if len(shape) < 2:
        raise BadModel(f"its input {name!r} has shape {list(shape)}: there is no batch of anything", where=where)
    batch, *rest = shape
    input_shape = tuple(rest)
    check_input_shape(input_shape)
    if request.input_shape is not None and request.input_shape != input_shape:
        raise UsageError(
            f"the model's input is {list(input_shape)}, not {list(request.input_shape)}", where="--input-shape"
        )
    data = request.path.read_bytes()
    return LoadedTflite(data, input_shape, batch, hashlib.sha256(data).hexdigest(), "tflite")
