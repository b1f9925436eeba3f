"""TFLite files as objects of LiteRT's own schema, and back.

Objects are edited within one function and never leave it: between functions a model is its bytes.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from edgeguard.errors import BadModel

__all__ = ["builtin", "name_of", "pack", "unpack"]

_IDENTIFIER = b"TFL3"
# Kernels read constants in place, by vector instructions (``force_align: 16`` of Buffer.data in the schema).
_ALIGNMENT = 16


def unpack(data: bytes) -> Any:
    """The ``ModelT`` of a file; its constants are views of ``data``.

    :param data: of a file that an interpreter has accepted in a process of its own; the parser here checks nothing.
    :raises BadModel: it cannot be read, or keeps its constants outside of the flatbuffer.
    """
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
    except Exception as error:  # of a damaged file anything may follow
        raise BadModel(f"its flatbuffer cannot be read: {type(error).__name__}") from None
    if not model.subgraphs:
        raise BadModel("holds no graph")
    if any(buffer.offset > 1 for buffer in model.buffers):
        raise BadModel("keeps its constants behind the flatbuffer, as files over 2 GB do")
    return model


def pack(model: Any) -> bytes:
    """A model as the bytes of a file; the same model always gives the same."""
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def builtin(model: Any, operator: Any) -> int:
    """Which built-in operator it is; files from before 2020 say so in a field of one byte."""
    code = model.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def name_of(kind: int) -> str:
    """The name of a built-in operator."""
    names: dict[int, str] = {
        value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
    }
    return names.get(kind, f"operator {kind}")


class _Builder(flatbuffers.Builder):  # type: ignore[misc, unused-ignore]
    """Aligns what may be a constant; the generated code aligns every vector by the size of its elements."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
        """Begin a vector; of single bytes are constants, and little else."""
        return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)
