"""Looking at a file before anything parses it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from edgeguard.errors import BadModel, UnsafeFile, UsageError

__all__ = ["MAX_BYTES", "Container", "sniff"]

Container = Literal["torch-zip", "onnx", "tflite"]

# Protobuf's own limit, and more than any network for a Pi needs.
MAX_BYTES = 2**31 - 1
_LFS = b"version https://git-lfs.github.com/spec/"
_ZIP = b"PK\x03\x04"


def sniff(path: Path) -> Container:
    """What kind of container a model file is, from its first and last bytes; its name decides nothing.

    :raises UsageError: there is no such file.
    :raises BadModel: it is empty, a git-lfs pointer, or of no known kind.
    :raises UnsafeFile: it is two kinds of file at once, a bare pickle, or too large.
    """
    where = str(path)
    try:
        return _sniff(path, where)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=where) from None


def _sniff(path: Path, where: str) -> Container:
    if not path.exists():
        raise UsageError("there is no such file", where=where)
    if not path.is_file():
        raise BadModel("is no plain file", where=where, fix="Pass a .pt, .pt2 or .onnx file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UnsafeFile(f"has {size:,} bytes; models over 2 GB are refused", where=where)
    with path.open("rb") as stream:
        start = stream.read(64)
    if not start:
        raise BadModel("is empty", where=where, fix="Copy or export it again")
    if start.startswith(_LFS):
        raise BadModel(
            "this is a git-lfs pointer, not the model", where=where, fix="Fetch the model itself: git lfs pull"
        )
    if start.startswith(_ZIP):
        return "torch-zip"
    if zipfile.is_zipfile(path):
        raise UnsafeFile(
            "is a zip archive behind something else: readers disagree about such files",
            where=where,
            fix="Save the model again with torch.save",
        )
    if start[4:8] == b"TFL3":
        return "tflite"
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        raise UnsafeFile(
            "is a bare pickle, the format of torch before 1.6, which can run code when it is loaded",
            where=where,
            fix="On a machine that trusts it, load it with weights_only=True and torch.save its state_dict again",
        )
    if path.suffix in (".pt", ".pth", ".pt2", ".ckpt"):
        raise BadModel("is no archive written by torch.save: truncated or another kind of file", where=where)
    return "onnx"
