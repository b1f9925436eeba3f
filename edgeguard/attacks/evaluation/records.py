"""What came of the cells: one line of JSON each, in a file that only grows."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from edgeguard.attacks.metrics import Exposure, Theft, Utility
from edgeguard.errors import BadData, UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["RECORDS", "CellRecord", "Recorder", "parse_record", "read_records", "recording", "write_record"]

# The file's name in an output directory.
RECORDS = "cells.jsonl"


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One cell, and how its figures came about.

    :param digest: of the cell.
    :param grid: its name, as are victim, defense, pool (``-`` for none), attack and student.
    :param queries: the thief's budget.
    :param exposure: ``None`` for attacks that make their own images.
    :param seconds: that the cell took; what the cache held took none.
    :param date: when it was done, UTC, to the minute.
    :param machine: CPU and cores, and the GPU if there was one.
    :param versions: name to version of what had a hand in it.
    :param command: that ran it.
    """

    digest: str
    grid: str
    victim: str
    defense: str
    pool: str
    attack: str
    student: str
    seed: int
    queries: int
    utility: Utility
    exposure: Exposure | None
    theft: Theft
    seconds: float
    date: str
    machine: str
    versions: dict[str, str]
    command: str


@cache
def _adapter() -> TypeAdapter[CellRecord]:
    from pydantic import TypeAdapter

    return TypeAdapter(CellRecord)


def write_record(record: CellRecord) -> bytes:
    """A record as a line."""
    return _adapter().dump_json(record) + b"\n"


def parse_record(line: bytes, where: str) -> CellRecord:
    """The record in a line.

    :param where: what to call it in an error.
    :raises BadData: it is none.
    """
    from pydantic import ValidationError

    try:
        return _adapter().validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the line"
        raise BadData(
            f"{place}: {first['msg']}", where=where, fix="Remove the line: its cell is then run again"
        ) from None


def read_records(path: Path) -> list[CellRecord]:
    """The records of a file, none if there is no such file. A last line without its end is dropped: it was cut there.

    :param path: the file, or the output directory that it lies in.
    :raises BadData: another line is no record.
    """
    file = path / RECORDS if path.is_dir() else path
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    return [parse_record(line, f"{file}:{number}") for number, line in enumerate(lines, 1)]


class Recorder:
    """Appends records to an open file, each on the disk before the next thing happens."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def append(self, record: CellRecord) -> None:
        """Write one record."""
        self._stream.write(write_record(record))
        self._stream.flush()
        os.fsync(self._stream.fileno())


@contextmanager
def recording(directory: Path) -> Iterator[Recorder]:
    """The records of an output directory, open for more, and for this process alone. A torn last line is cut off.

    :raises UsageError: another run has them open.
    """
    with (directory / RECORDS).open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                "another run writes there", where=str(directory), fix="Wait for it, or choose another -o"
            ) from None
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)
        yield Recorder(stream)
