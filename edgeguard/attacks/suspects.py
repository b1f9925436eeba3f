"""Asking suspects, and reading answers that somebody saved. Nothing but their answers is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.attacks.black_box import BlackBox
from edgeguard.calibration.npy_stream import open_array
from edgeguard.calibration.sets import DataSet
from edgeguard.errors import BadData

__all__ = ["ANSWERS", "ANSWER_SUFFIXES", "ask", "read_answers"]

Array = np.ndarray[Any, Any]

# The array of an .npz that holds answers.
ANSWERS = "answers"
ANSWER_SUFFIXES = (".npy", ".npz")
# Queries answered at once, and bytes of saved answers read at once.
_BLOCK = 32
_BLOCK_BYTES = 16 << 20


def ask(suspect: BlackBox, data: DataSet, progress: Callable[[int, int], None]) -> Iterator[Array]:
    """The suspect's answers to a set of queries, in blocks.

    :param progress: called with the queries done and their number.
    :raises BadData: a query is unusable.
    :raises BadModel: ONNX Runtime fails while running the suspect, or it answers otherwise than once for each query.
    """
    done = 0
    for batch in data.batches(_BLOCK):
        yield suspect.ask(batch.inputs)
        done += len(batch.inputs)
        progress(done, len(data))


def read_answers(path: Path) -> Iterator[Array]:
    """Saved answers, in blocks: the array of an ``.npy``, or the array ``answers`` of an ``.npz``.

    :raises BadData: there is no such file or array, or it cannot be read.
    """
    where = str(path)
    if not path.is_file():
        raise BadData("is no plain file" if path.exists() else "there is no such file", where=where)
    array = open_array(path, ANSWERS if path.suffix == ".npz" else None)
    if array is None:
        raise BadData(f"has no array {ANSWERS}", where=where, fix=f"numpy.savez(path, {ANSWERS}=answers)")
    if not array.shape or min(array.shape) < 1:
        raise BadData(f"is empty: its shape is {list(array.shape)}", where=where)
    yield from array.rows(max(1, _BLOCK_BYTES // array.row_bytes))
