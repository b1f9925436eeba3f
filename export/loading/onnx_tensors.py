"""The constants of an ONNX file: found wherever they hide, read only from where they may lie, never larger than said.

External data is a path inside a model: without these rules a model reads any file of the machine that opens it.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from edgeguard.errors import BadModel, UnsafeFile
from edgeguard.export.loading.files import MAX_BYTES
from edgeguard.export.loading.shapes import MAX_ELEMENTS

__all__ = ["check_constants", "graphs_of", "load_external_data", "nodes_of"]

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_MEMORY = "_ORT_MEM_ADDR_"
_NEST = 64
_LONGEST = 1000


def graphs_of(model: ModelProto) -> Iterator[GraphProto]:
    """The main graph and every subgraph in it.

    :raises UnsafeFile: they nest beyond all measure.
    """
    yield model.graph
    yield from _subgraphs(model.graph.node)


def nodes_of(model: ModelProto) -> Iterator[NodeProto]:
    """Every node, those of functions and of all subgraphs too.

    :raises UnsafeFile: they nest beyond all measure.
    """
    for graph in graphs_of(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node
        for graph in _subgraphs(function.node):
            yield from graph.node


def load_external_data(model: ModelProto, path: Path) -> int:
    """Bring external data into the model, in place, from plain files beside it and nowhere else.

    :returns: how many bytes it is.
    :raises UnsafeFile: a tensor's data lies elsewhere, behind a link, in memory, or outside the file's bounds; or all
        together it is too much.
    """
    total = 0
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            tensor.raw_data = _read_external(tensor, path, MAX_BYTES - total)
            total += len(tensor.raw_data)
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
    return total


def check_constants(model: ModelProto) -> None:
    """Sizes first, then values.

    :raises BadModel: a tensor has impossible or absurd dimensions, other data than they say, or holds NaN or infinity.
    """
    for sparse in _sparse_tensors(model):
        if any(dim < 0 for dim in sparse.dims) or math.prod(sparse.dims) > MAX_ELEMENTS:
            raise BadModel(
                f"has dimensions {list(sparse.dims)}; the limit is {MAX_ELEMENTS:,} elements",
                where=f"sparse tensor {sparse.values.name!r}",
            )
    for tensor in _tensors(model):
        where = f"tensor {tensor.name!r}"
        if any(dim < 0 for dim in tensor.dims):
            raise BadModel(f"has dimensions {list(tensor.dims)}", where=where)
        count = math.prod(tensor.dims)
        if count > MAX_ELEMENTS:
            raise BadModel(f"has {count:,} elements; the limit is {MAX_ELEMENTS:,}", where=where)
        if tensor.data_type in (TensorProto.UNDEFINED, TensorProto.STRING):
            continue
        try:
            values = numpy_helper.to_array(tensor)
        except Exception as error:  # onnx raises ValueError, TypeError, KeyError, ...
            raise BadModel(
                f"its data does not fill its dimensions {list(tensor.dims)}: {str(error).splitlines()[0]}", where=where
            ) from None
        if tensor.data_type in _FLOATS and _is_weight(tensor) and not np.isfinite(values.astype(np.float32)).all():
            raise BadModel("holds NaN or infinity", where=where, fix="Take an earlier checkpoint")


def _is_weight(tensor: TensorProto) -> bool:
    # Scalars may be infinite on purpose: bounds of Clip, fill values of Pad.
    return len(tensor.dims) > 0 and math.prod(tensor.dims) > 1


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    for graph in _all_graphs(model):
        yield from graph.initializer
    for sparse in _sparse_tensors(model):
        yield from (sparse.values, sparse.indices)
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else []
            yield from attribute.tensors


def _sparse_tensors(model: ModelProto) -> Iterator[SparseTensorProto]:
    for graph in _all_graphs(model):
        yield from graph.sparse_initializer
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            yield from attribute.sparse_tensors


def _all_graphs(model: ModelProto) -> Iterator[GraphProto]:
    yield from graphs_of(model)
    for function in model.functions:
        yield from _subgraphs(function.node)


def _subgraphs(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    """All graphs below nodes, however deep."""
    waiting = [(nodes, 0)]
    while waiting:
        found, depth = waiting.pop()
        if depth > _NEST:
            raise UnsafeFile(f"its subgraphs nest deeper than {_NEST}")
        for node in found:
            for attribute in node.attribute:
                for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                    yield graph
                    waiting.append((graph.node, depth + 1))


def _read_external(tensor: TensorProto, path: Path, most: int) -> bytes:
    where = f"{path}: tensor {tensor.name!r}"
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = facts.get("location", "")
    if _MEMORY in location:
        raise UnsafeFile("its data is an address in ONNX Runtime's memory", where=where, fix="Save the model again")
    file = _beside(location, path.parent, where)
    try:
        offset = int(facts.get("offset") or 0)
        length = int(facts["length"]) if facts.get("length") else None
    except ValueError:
        raise UnsafeFile("offset or length of its external data is no number", where=where) from None
    size = file.stat().st_size
    length = size - offset if length is None else length
    if offset < 0 or length < 0 or offset + length > size:
        raise UnsafeFile(
            f"its external data lies at {offset} to {offset + length} of a file of {size} bytes", where=where
        )
    if any(dim < 0 for dim in tensor.dims) or math.prod(tensor.dims) > MAX_ELEMENTS:
        raise BadModel(f"has dimensions {list(tensor.dims)}", where=where)
    wanted = math.prod(tensor.dims) * _item_size(tensor, where)
    if length < wanted:
        raise BadModel(f"its external data has {length} bytes, its dimensions need {wanted}", where=where)
    if wanted > most:
        raise UnsafeFile(f"its external data is more than {MAX_BYTES:,} bytes in all", where=where)
    try:
        with file.open("rb") as stream:
            stream.seek(offset)
            return stream.read(wanted)
    except OSError as error:
        raise BadModel(f"its external data cannot be read: {error.strerror}", where=where) from None


def _item_size(tensor: TensorProto, where: str) -> int:
    try:
        return int(np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize)
    except (KeyError, TypeError):
        raise BadModel(f"has the unknown data type {tensor.data_type}", where=where) from None


def _beside(location: str, directory: Path, where: str) -> Path:
    """The plain file that ``location`` names below the model's directory."""
    parts = PurePosixPath(location).parts
    if len(location) > _LONGEST:
        raise UnsafeFile(f"the path of its external data has {len(location):,} characters", where=where)
    if not parts or location.startswith("/") or "\\" in location or ".." in parts or "\0" in location:
        raise UnsafeFile(
            f"its external data is at {location!r}, outside the model's directory",
            where=where,
            fix="Save the model with its data beside it, or inside it",
        )
    file = directory
    try:
        for part in parts:
            file = file / part
            if file.is_symlink():
                raise UnsafeFile(f"its external data is behind a symbolic link ({file.name})", where=where)
        facts = file.stat()
    except OSError as error:
        raise BadModel(f"its external data {location!r} cannot be read: {error.strerror}", where=where) from None
    if not stat.S_ISREG(facts.st_mode):
        raise UnsafeFile(f"its external data {location!r} is no plain file", where=where)
    if facts.st_nlink != 1:
        raise UnsafeFile(
            f"its external data {location!r} is a hard link to another file", where=where, fix="Copy it instead"
        )
    return file
