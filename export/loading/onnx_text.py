"""Text in an ONNX file: protobuf lets any bytes pass for it, and whoever reads them as text later fails anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from onnx import ModelProto, TensorProto

from edgeguard.errors import BadModel

__all__ = ["check_text"]


def check_text(model: ModelProto) -> None:
    """Every name, operator and path is UTF-8.

    :raises BadModel: naming the field that is not.
    """
    waiting: list[Message] = [model]
    while waiting:
        message = waiting.pop()
        for field, value in _fields(message):
            if isinstance(value, Message):
                waiting.append(value)
            elif not isinstance(value, str):
                raise BadModel(f"{field} holds {bytes(value)[:40]!r}, which is no text", fix="Copy or export it again")


def _fields(message: Message) -> Iterator[tuple[str, Any]]:
    """Names and values of the fields that are text, and of the messages below, repeated ones one by one."""
    if isinstance(message, TensorProto):
        # Listing a tensor's fields would copy its data.
        yield from (("a tensor's name", message.name), *(("external data", each) for each in message.external_data))
        return
    for field, value in message.ListFields():
        if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
            continue
        for each in [value] if isinstance(value, (str, bytes, Message)) else value:
            yield field.full_name, each
