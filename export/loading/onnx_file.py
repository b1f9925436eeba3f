"""Loading ``.onnx`` files, most of which come from somebody else."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, checker, defs

from edgeguard.digests import file_digest
from edgeguard.errors import BadModel, UnsafeFile, UsageError
from edgeguard.export.inference import inferred
from edgeguard.export.loading.base import Accepts, LoadedModel, LoadRequest
from edgeguard.export.loading.onnx_functions import check_functions, inline_functions
from edgeguard.export.loading.onnx_probe import probe_onnx
from edgeguard.export.loading.onnx_tensors import check_constants, graphs_of, load_external_data, nodes_of
from edgeguard.export.loading.onnx_text import check_text
from edgeguard.export.loading.shapes import MAX_ELEMENTS, MAX_NODES, check_input_shape
from edgeguard.runtimes.first_line import first_line

__all__ = ["is_quantized", "load_onnx", "read_onnx"]

_STANDARD = ("", "ai.onnx")
# They run as long as their own data says.
_LOOPS = frozenset({"Loop", "Scan"})
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_QUANTIZED = re.compile(r"(Dynamic)?QuantizeLinear|DequantizeLinear|QLinear\w+|QGemm|QAttention|\w+Integer(ToFloat)?")
# Where ONNX Runtime's quantizer puts the operators that ONNX has no quantized form of.
_RUNTIME = "com.microsoft"


def load_onnx(request: LoadRequest) -> LoadedModel:
    """The float network in an ONNX file, which a child process has tried before.

    :raises UsageError: the input's shape does not fit the file.
    :raises RejectedInput: the file is unsafe, damaged, or not a float network of standard operators.
    """
    with _named(request.path):
        model, size = _opened(request)
        probe_onnx(request, size)
        return _loaded(model, request)


def read_onnx(request: LoadRequest) -> LoadedModel:
    """As :func:`load_onnx`, here and now: a hostile file may kill the process, and does so in the child only.

    :raises EdgeguardError: see there.
    """
    with _named(request.path):
        model, _ = _opened(request)
        return _loaded(model, request)


def is_quantized(model: ModelProto) -> bool:
    """Whether any operator of the main graph belongs to a quantized network."""
    return any(_QUANTIZED.fullmatch(node.op_type) for node in model.graph.node)


def _opened(request: LoadRequest) -> tuple[ModelProto, int]:
    """What needs no native code but protobuf's: the model with its external data, and the bytes of both."""
    path = request.path
    model = _parse(path)
    _check_count(model)
    check_text(model)
    size = path.stat().st_size + load_external_data(model, path)
    check_functions(model)
    if not model.functions:
        _check_operators(model, request.accepts)
    check_constants(model)
    return model, size


def _loaded(model: ModelProto, request: LoadRequest) -> LoadedModel:
    if model.functions:
        model = inline_functions(model)
        _check_operators(model, request.accepts)
        check_constants(model)
    _check_valid(model)
    source = _only_input(model.graph)
    _free_constants(model)
    shape, batch = _input_shape(source, request.input_shape)
    _set_shape(source, shape, batch)
    _check_sizes(model)
    return LoadedModel(model, None, shape, batch, file_digest(request.path), "onnx")


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let errors that name no place name the file."""
    try:
        yield
    except (BadModel, UnsafeFile) as error:
        if error.where is None:
            raise type(error)(error.what, where=str(path), fix=error.fix) from None
        raise


def _parse(path: Path) -> ModelProto:
    try:
        # The name decides nothing: without a format, .json and .txt would be read as such.
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except (DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadModel(
            f"is no ONNX model, or a truncated one: {first_line(error)}", fix="Copy or export it again"
        ) from None
    except OSError as error:
        raise BadModel(f"cannot be read: {error.strerror}") from None
    if not model.ir_version or not model.graph.node or not model.graph.output:
        raise BadModel("is no ONNX model: it has no graph", fix="Copy or export it again")
    return model


def _check_count(model: ModelProto) -> None:
    count = sum(1 for _ in nodes_of(model))
    if count > MAX_NODES:
        raise UnsafeFile(f"has {count:,} nodes; the limit is {MAX_NODES:,}")


def _check_operators(model: ModelProto, accepts: Accepts) -> None:
    newest = defs.onnx_opset_version()
    version = next((entry.version for entry in model.opset_import if entry.domain in _STANDARD), 1)
    if version > newest:
        raise BadModel(
            f"uses operator set {version}; the newest known here is {newest}",
            fix="Export the network with an older opset_version, or install a newer onnx",
        )
    for graph in graphs_of(model):
        for node in graph.node:
            where = f"node {node.name or node.output[0]!r}" if node.output else f"node {node.name!r}"
            if _QUANTIZED.fullmatch(node.op_type):
                if accepts == "float":
                    raise BadModel(
                        f"is quantized already: {node.op_type}",
                        where=where,
                        fix="Pass the float network that it was made from, which --int8 quantizes; or defend this one "
                        "as it is, with edgeguard defend",
                    )
                if node.domain == _RUNTIME:
                    continue
            if node.domain not in _STANDARD:
                raise BadModel(
                    f"uses the custom operator {node.domain}::{node.op_type}, which a device's runtime does not have",
                    where=where,
                    fix="Export the network with standard operators only",
                )
            if not defs.has(node.op_type, version):
                raise BadModel(f"operator {node.op_type} does not exist in operator set {version}", where=where)
            if node.op_type in _RANDOM:
                raise BadModel(f"{node.op_type} answers differently each time; a classifier must not", where=where)
            if node.op_type in _LOOPS:
                raise BadModel(f"{node.op_type} runs as long as its data says; a CNN has no such operator", where=where)


def _check_valid(model: ModelProto) -> None:
    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        raise BadModel(f"is invalid: {first_line(error)}", fix="Export it again") from None
    except Exception as error:  # the checker raises RuntimeError and others on odd files
        raise BadModel(f"cannot be checked: {first_line(error)}") from None


def _only_input(graph: GraphProto) -> ValueInfoProto:
    constants = {tensor.name for tensor in graph.initializer}
    sources = [source for source in graph.input if source.name not in constants]
    if len(sources) != 1:
        names = ", ".join(source.name for source in sources) or "none"
        raise BadModel(f"has {len(sources)} inputs ({names}); a classifier takes one")
    source: ValueInfoProto = sources[0]
    if not source.type.HasField("tensor_type"):
        raise BadModel(f"the input {source.name!r} is no tensor")
    element = source.type.tensor_type.elem_type
    if element != TensorProto.FLOAT:
        name = TensorProto.DataType.Name(element).lower() if element in TensorProto.DataType.values() else element
        raise BadModel(f"the input {source.name!r} is {name}; edgeguard starts from float32 networks")
    return source


def _free_constants(model: ModelProto) -> None:
    """Take constants off the list of inputs, where IR 3 wants them: whoever runs the model could override them there,
    so nothing may be folded."""
    constants = {tensor.name for tensor in model.graph.initializer}
    for listed in [each for each in model.graph.input if each.name in constants]:
        model.graph.input.remove(listed)
    model.ir_version = max(model.ir_version, 4)


def _input_shape(source: ValueInfoProto, given: tuple[int, ...] | None) -> tuple[tuple[int, ...], int | None]:
    """Shape without the batch axis, and the fixed batch size or ``None``."""
    where = f"input {source.name!r}"
    if not source.type.tensor_type.HasField("shape"):
        if given is None:
            raise _needs_shape("has no shape", where)
        check_input_shape(given)
        return given, None
    dims = source.type.tensor_type.shape.dim
    if len(dims) < 2:
        raise BadModel(f"has {len(dims)} dimensions; a batch of inputs has at least two", where=where)
    known = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if any(dim is not None and dim < 1 for dim in known):
        raise BadModel(f"has shape {known}: a dimension below 1", where=where, fix="Export it with a real input shape")
    batch = known[0]
    found = known[1:]
    if given is None:
        if None in found:
            raise _needs_shape(f"has shape {['?' if dim is None else dim for dim in found]}", where)
        given = tuple(dim for dim in found if dim is not None)
    elif len(given) != len(found) or any(dim not in (None, size) for dim, size in zip(found, given, strict=True)):
        shown = ["?" if dim is None else dim for dim in found]
        raise UsageError(f"{list(given)} does not fit the file's {shown}", where="--input-shape")
    check_input_shape(given)
    if batch is not None:
        check_input_shape((batch, *given))
    return given, batch


def _needs_shape(what: str, where: str) -> BadModel:
    return BadModel(
        f"{what}, so the size of an input is unknown",
        where=where,
        fix="Say it, for example --input-shape 3,224,224 for colour images of 224 x 224",
    )


def _set_shape(source: ValueInfoProto, shape: tuple[int, ...], batch: int | None) -> None:
    tensor = source.type.tensor_type
    name = "batch"
    if tensor.HasField("shape") and tensor.shape.dim[0].dim_param:
        name = tensor.shape.dim[0].dim_param
    del tensor.shape.dim[:]
    first = tensor.shape.dim.add()
    if batch is None:
        first.dim_param = name
    else:
        first.dim_value = batch
    for size in shape:
        tensor.shape.dim.add().dim_value = size


def _check_sizes(model: ModelProto) -> None:
    """Every value whose shape can be inferred stays below the limit, before anything is allocated."""
    try:
        graph = inferred(model)
    except Exception as error:  # InferenceError, and RuntimeError of the C++ side
        raise BadModel(f"its shapes contradict each other: {first_line(error)}") from None
    for value in (*graph.value_info, *graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim if dim.HasField("dim_value")]
        if any(dim < 0 for dim in dims) or math.prod(dims) > MAX_ELEMENTS:
            raise BadModel(
                f"would have shape {dims}; the limit is {MAX_ELEMENTS:,} elements", where=f"value {value.name!r}"
            )
