"""Asking suspects: files of models, artifacts, saved answers. Nothing but their answers is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.calibration.npy_stream import open_array
from edgeguard.calibration.sets import DataSet
from edgeguard.errors import BadData, BadModel
from edgeguard.preprocess import Preprocess

if TYPE_CHECKING:
    from edgeguard.export.loading import LoadRequest

__all__ = ["ANSWERS", "ANSWER_SUFFIXES", "Suspect", "artifact_suspect", "ask", "model_suspect", "read_answers"]

Array = np.ndarray[Any, Any]

# The array of an .npz that holds answers.
ANSWERS = "answers"
ANSWER_SUFFIXES = (".npy", ".npz")
# Queries answered at once, and bytes of saved answers read at once.
_BLOCK = 32
_BLOCK_BYTES = 16 << 20


@dataclass(frozen=True, eq=False, slots=True)
class Suspect:
    """A model that can be asked.

    :param name: for messages.
    :param answer: inputs, float32 ``[n, *input_shape]``, to its answers, ``[n, classes]`` if it is a classifier.
    :param input_shape: of one input, without the batch axis.
    :param preprocess: turns images into inputs; ``None`` where the input is no image.
    :param labels: names of its classes, if it says them.
    """

    name: str
    answer: Callable[[Array], Array]
    input_shape: tuple[int, ...]
    preprocess: Preprocess | None
    labels: tuple[str, ...] = ()


def model_suspect(request: LoadRequest, preprocess: Callable[[tuple[int, ...]], Preprocess | None]) -> Suspect:
    """The classifier in an ONNX or torch file, whoever trained it.

    :param request: torch is needed for torch files only.
    :param preprocess: from an input's shape to what turns images into inputs.
    :raises EdgeguardError: see :func:`edgeguard.export.loading.load_model`.
    :raises BadModel: it has several outputs, or ONNX Runtime refuses it.
    """
    from edgeguard.export.loading import load_model
    from edgeguard.runtimes.ort_session import answerer

    loaded = load_model(request)
    outputs = [output.name for output in loaded.model.graph.output]
    if len(outputs) != 1:
        raise BadModel(
            f"has {len(outputs)} outputs ({', '.join(outputs)}), and it does not say which one answers",
            where=str(request.path),
            fix="Run it yourself, save its answers [n, classes] as .npy, and pass that file as the suspect",
        )
    chosen = preprocess(loaded.input_shape)
    answer = answerer(loaded.model.SerializeToString(), loaded.batch)
    return Suspect(str(request.path), answer, loaded.input_shape, chosen)


def artifact_suspect(path: Path) -> Suspect:
    """An artifact of edgeguard's, which says itself how images become inputs.

    :raises EdgeguardError: see :func:`edgeguard.runtimes.load`.
    """
    from edgeguard.runtimes import load

    runtime = load(path)
    manifest = runtime.manifest
    return Suspect(str(path), runtime.answer, manifest.model.input_shape, manifest.preprocess, manifest.labels)


def ask(suspect: Suspect, data: DataSet, progress: Callable[[int, int], None]) -> Iterator[Array]:
    """The suspect's answers to a set of queries, in blocks.

    :param progress: called with the queries done and their number.
    :raises BadData: a query is unusable.
    :raises BadModel: ONNX Runtime fails while running the suspect, or it answers otherwise than once for each query.
    """
    done = 0
    for batch in data.batches(_BLOCK):
        yield _answered(suspect, batch.inputs)
        done += len(batch.inputs)
        progress(done, len(data))


def _answered(suspect: Suspect, inputs: Array) -> Array:
    try:
        answers = suspect.answer(inputs)
    except BadModel as error:
        raise BadModel(error.what, where=error.where or suspect.name, fix=error.fix) from None
    if answers.shape[:1] != (len(inputs),):
        raise BadModel(f"answers {len(inputs)} queries with an array {list(answers.shape)}", where=suspect.name)
    return answers


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
