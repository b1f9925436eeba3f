"""Torch's zip archives: whether one is safe to open, and which of four kinds of model it holds.

Kinds are told apart by the members' names, before anything is loaded: ``data.pkl`` without ``code`` is a pickle,
``constants.pkl`` and ``code/`` are TorchScript, ``archive_format`` and ``models/`` an ExportedProgram.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Literal

from edgeguard.errors import BadModel, UnsafeFile
from edgeguard.export.loading.files import MAX_BYTES

__all__ = ["TorchKind", "archive_kind"]

TorchKind = Literal["pickle", "torchscript", "exported-program"]

# Torch stores tensors as they are; only TorchScript's source texts are deflated, at less than 20 : 1.
_MAX_RATIO = 100
_MAX_MEMBERS = 100_000
_SMALL = 1 << 20
# The three records that end an archive: 56, 20 and 22 bytes.
_TAIL = 98


def archive_kind(path: Path) -> TorchKind:
    """Check an archive and say what it holds.

    :raises UnsafeFile: it would expand beyond all measure, its members overlap or lie outside it, or something is
        glued to it.
    :raises BadModel: it is truncated, or holds no model.
    """
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_end(path, archive.start_dir)
            _check_members(members, archive.start_dir, path)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise BadModel(f"is a damaged archive: {error}", where=where, fix="Copy or save it again") from None
    roots = {member.filename.partition("/")[0] for member in members}
    if len(roots) != 1:
        raise BadModel("is a zip archive that torch did not write", where=where, fix="Save the model with torch.save")
    names = {member.filename.partition("/")[2] for member in members}
    if "archive_format" in names and any(name.startswith("models/") for name in names):
        return "exported-program"
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return "torchscript"
    if "data.pkl" in names:
        return "pickle"
    raise BadModel(
        "is a zip archive without a model that torch wrote",
        where=where,
        fix="Save a state_dict with torch.save, or an ExportedProgram with torch.export.save",
    )


def _check_members(members: list[zipfile.ZipInfo], directory_start: int, path: Path) -> None:
    where = str(path)
    if len(members) > _MAX_MEMBERS:
        raise UnsafeFile(f"holds {len(members):,} members", where=where)
    expanded = sum(member.file_size for member in members)
    # Each by itself: a bomb may hide among weights that are stored as they are.
    bombs = [member for member in members if member.file_size > max(_SMALL, _MAX_RATIO * member.compress_size)]
    if expanded > MAX_BYTES or bombs:
        raise UnsafeFile(
            f"is a zip bomb: {path.stat().st_size:,} bytes would become {expanded:,}",
            where=where,
            fix="Save the model again with torch.save, which does not compress",
        )
    # Torch's own reader takes no notice of case.
    if len({member.filename.lower() for member in members}) != len(members):
        raise UnsafeFile("holds two members of one name: readers disagree about such files", where=where)
    end = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if member.flag_bits & 0x1:
            raise UnsafeFile(f"member {member.filename!r} is encrypted", where=where)
        parts = member.filename.split("/")
        if ".." in parts or member.filename.startswith("/") or "\\" in member.filename:
            raise UnsafeFile(f"member {member.filename!r} points outside the archive", where=where)
        if member.header_offset < end:
            raise UnsafeFile("its members overlap, as a zip bomb's do", where=where)
        end = member.header_offset + member.compress_size
    first = min((member.header_offset for member in members), default=0)
    if first != 0 or end > directory_start:
        raise _glued(where)


def _check_end(path: Path, directory_start: int) -> None:
    """The directory that Python's reader found is the one that torch's reader finds: the records at the very end say
    so, and nothing follows them."""
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, _TAIL), 2)
        tail = stream.read()
    end = tail[-22:]
    if not end.startswith(b"PK\x05\x06") or end[20:] != b"\0\0":
        raise _glued(str(path))
    (start,) = struct.unpack("<L", end[16:20])
    if tail[-42:-38] == b"PK\x06\x07":
        (record,) = struct.unpack("<Q", tail[-34:-26])
        if record != path.stat().st_size - _TAIL or not tail.startswith(b"PK\x06\x06"):
            raise _glued(str(path))
        (start,) = struct.unpack("<Q", tail[48:56])
    if start != directory_start:
        raise _glued(str(path))


def _glued(where: str) -> UnsafeFile:
    return UnsafeFile("something else is glued to the archive", where=where, fix="Save the model again")
