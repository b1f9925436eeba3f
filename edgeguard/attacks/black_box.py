"""Models that can be asked, whoever made them: files of models and artifacts. Nothing but their answers is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.errors import BadModel
from edgeguard.preprocess import Preprocess

if TYPE_CHECKING:
    from edgeguard.export.loading import LoadedModel, LoadRequest

__all__ = ["BlackBox", "artifact_box", "channels_first", "model_box", "posterior_box"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, slots=True)
class BlackBox:
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

    def ask(self, inputs: Array) -> Array:
        """Its answers, one for each input.

        :raises BadModel: it fails while running, or answers otherwise than once for each input.
        """
        try:
            answers = self.answer(inputs)
        except BadModel as error:
            raise BadModel(error.what, where=error.where or self.name, fix=error.fix) from None
        if answers.shape[:1] != (len(inputs),):
            raise BadModel(f"answers {len(inputs)} queries with an array {list(answers.shape)}", where=self.name)
        return answers


def artifact_box(path: Path) -> BlackBox:
    """An artifact of edgeguard's, which says itself how images become inputs.

    :raises EdgeguardError: see :func:`edgeguard.runtimes.load`.
    """
    from edgeguard.runtimes import load

    runtime = load(path)
    manifest = runtime.manifest
    return BlackBox(str(path), runtime.answer, manifest.model.input_shape, manifest.preprocess, manifest.labels)


def channels_first(box: BlackBox) -> BlackBox:
    """The same model as students see it: an image's channels come first, also where the model itself wants them last.

    One whose input is no image is left as it is.
    """
    preprocess = box.preprocess
    if preprocess is None or preprocess.layout == "nchw":
        return box
    height, width, channels = box.input_shape

    def answer(inputs: Array) -> Array:
        return box.answer(np.ascontiguousarray(inputs.transpose(0, 2, 3, 1)))

    first = replace(preprocess, layout="nchw")
    return replace(box, answer=answer, input_shape=(channels, height, width), preprocess=first)


def model_box(request: LoadRequest, preprocess: Callable[[tuple[int, ...]], Preprocess | None]) -> BlackBox:
    """The classifier in an ONNX, TFLite or torch file as it is, whoever trained it and whatever it answers with.

    :param request: torch is needed for torch files only.
    :param preprocess: from an input's shape to what turns images into inputs.
    :raises EdgeguardError: see :func:`edgeguard.export.loading.load_model`.
    :raises BadModel: it has several outputs, or its engine refuses it.
    """
    from edgeguard.export.loading import load_model
    from edgeguard.export.loading.files import sniff
    from edgeguard.runtimes.ort_session import answerer

    if sniff(request.path) == "tflite":
        return _tflite_box(request.path, preprocess)
    loaded = load_model(request)
    outputs = [output.name for output in loaded.model.graph.output]
    if len(outputs) != 1:
        raise BadModel(
            f"has {len(outputs)} outputs ({', '.join(outputs)}), and it does not say which one answers",
            where=str(request.path),
            fix="Run it yourself, save its answers [n, classes] as .npy, and pass that file as the suspect",
        )
    return _box(request, loaded, answerer(loaded.model.SerializeToString(), loaded.batch), preprocess)


def posterior_box(request: LoadRequest, preprocess: Callable[[tuple[int, ...]], Preprocess | None]) -> BlackBox:
    """The classifier in an ONNX or torch file as a prediction API would serve it: it answers with its posterior.

    :raises EdgeguardError: see :func:`edgeguard.export.loading.load_model` and :func:`edgeguard.export.head.find_head`.
    """
    from edgeguard.defenses.head import Head
    from edgeguard.export.loading import load_model
    from edgeguard.export.prepare import prepare
    from edgeguard.targets import find_target

    loaded = load_model(request)
    prepared = prepare(loaded, find_target("arm64"))
    served = prepared.graph.answering(Head("logits", prepared.classes), None)
    return _box(request, loaded, served.runner(loaded.batch), preprocess)


def _tflite_box(path: Path, preprocess: Callable[[tuple[int, ...]], Preprocess | None]) -> BlackBox:
    from edgeguard.runtimes.litert_session import open_litert
    from edgeguard.runtimes.loading import probe_model

    probe_model(path, "tflite")
    session = open_litert(path)
    shape = tuple(int(axis) for axis in session.input["shape"][1:])
    return BlackBox(str(path), lambda inputs: session.dequantized(session.run(inputs)), shape, preprocess(shape))


def _box(
    request: LoadRequest,
    loaded: LoadedModel,
    answer: Callable[[Array], Array],
    preprocess: Callable[[tuple[int, ...]], Preprocess | None],
) -> BlackBox:
    return BlackBox(str(request.path), answer, loaded.input_shape, preprocess(loaded.input_shape))
