"""Artifacts with an ONNX model, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.artifact import Artifact
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.defenses.record import recorded_defense
from edgeguard.errors import BadData, BadModel, UsageError
from edgeguard.manifest import Manifest
from edgeguard.runtimes.ort_session import open_session, run_session

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRuntime"]

Array = np.ndarray[Any, Any]

# Images preprocessed and run at once: bounds memory, whatever a caller hands over.
_BLOCK = 32
_ELEMENTS = {"float32": "tensor(float)", "uint8": "tensor(uint8)", "int8": "tensor(int8)"}


class OnnxRuntime:
    """A loaded artifact; satisfies :class:`edgeguard.runtimes.protocol.Runtime`.

    With host placement the graph returns raw logits; they go straight into the post-processor and nowhere else.

    :param artifact: opened, so that its files are known to be the manifest's.
    :raises BadModel: the model file has other inputs or outputs than the manifest says, or exposes undefended ones.
    :raises UsageError: the ONNX Runtime here is older than the model needs, or the defense is not known.
    """

    def __init__(self, artifact: Artifact, *, threads: int, spinning: bool) -> None:
        import onnxruntime as ort

        manifest = artifact.manifest
        _check_version(ort.__version__, manifest.min_onnxruntime)
        where = str(artifact.model_path)
        _check_manifest(manifest, where)
        self._post = PostProcessor(manifest.model.head, _host_defense(manifest))
        self._session = open_session(artifact.model_path, threads=threads, spinning=spinning)
        _check_interface(self._session, manifest, where)
        self._manifest = manifest
        self._facts = {
            "engine": "onnxruntime",
            "version": ort.__version__,
            "threads": str(threads),
            "spinning": "on" if spinning else "off",
            "provider": ", ".join(self._session.get_providers()),
        }

    @property
    def manifest(self) -> Manifest:
        """What is loaded."""
        return self._manifest

    @property
    def facts(self) -> dict[str, str]:
        """Engine, its version, threads, spinning and execution provider."""
        return dict(self._facts)

    def predict(self, images: Sequence[Array] | Array) -> Array:
        """Answers, float32 ``[len(images), classes]``, to uint8 images of any size (RGB or grey).

        :raises BadData: an image is unusable, or the artifact's input is not an image.
        """
        preprocess = self._manifest.preprocess
        if preprocess is None:
            raise BadData("the artifact's input is no image", fix="Pass finished inputs to answer()")
        if isinstance(images, np.ndarray) and (images.ndim < 3 or (images.ndim == 3 and images.shape[-1] == 3)):
            raise BadData(f"this is one image {list(images.shape)}, not a list of images", fix="Pass [image]")
        blocks = [self.answer(preprocess(images[start : start + _BLOCK])) for start in range(0, len(images), _BLOCK)]
        return np.concatenate(blocks) if blocks else self._none()

    def answer(self, inputs: Array) -> Array:
        """Answers, float32 ``[batch, classes]``, to finished inputs: float32 ``[batch, *input_shape]``.

        :raises BadData: wrong shape or dtype, or the answers are not finite because the inputs are not.
        :raises BadModel: the answers are not finite although the inputs are.
        """
        model = self._manifest.model
        if inputs.dtype != np.float32 or inputs.shape[1:] != model.input_shape or inputs.ndim == 0:
            raise BadData(
                f"inputs are {inputs.dtype} {list(inputs.shape)}, the model takes float32 "
                f"[batch, {', '.join(map(str, model.input_shape))}]",
            )
        if not len(inputs):
            return self._none()
        answers = self._post(run_session(self._session, inputs, model.batch))
        # Looking at the few answers is cheaper than looking at every input.
        if not np.isfinite(answers).all():
            if not np.isfinite(inputs).all():
                raise BadData("inputs hold NaN or infinity")
            raise BadModel("the model answers with NaN or infinity", fix="Check its weights and the range of its input")
        return answers

    def _none(self) -> Array:
        return np.empty((0, self._manifest.classes), np.float32)


def _host_defense(manifest: Manifest) -> Defense | None:
    """The defense that is left to the host, if there is one."""
    record = manifest.defense
    if record is None or record.placement == "graph":
        return None
    return recorded_defense(record)


def _check_version(present: str, needed: str) -> None:
    """Old runtimes refuse newer files in words that help nobody (onnxruntime#25932, #20559)."""

    def numbers(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())

    if numbers(present) < numbers(needed):
        raise UsageError(
            f"the model needs onnxruntime {needed} or later, here is {present}",
            fix="Install it with: pip install --upgrade onnxruntime",
        )


def _check_manifest(manifest: Manifest, where: str) -> None:
    """What the manifest says must fit together, before the file is asked.

    :raises BadModel: it does not; above all, a graph that carries its defense must end in answers.
    """
    record, model, preprocess = manifest.defense, manifest.model, manifest.preprocess
    head = model.head
    if record is not None and record.placement == "graph" and (head.kind != "posterior" or head.dtype != "float32"):
        raise BadModel(
            f"a defended graph still exposes {head.dtype} {head.kind} as {model.output_name!r}",
            where=where,
            fix="Export it again; the manifest says that the defense is part of the graph",
        )
    if preprocess is not None and preprocess.input_shape != model.input_shape:
        raise BadModel(
            f"the manifest prepares images as {list(preprocess.input_shape)} for an input {list(model.input_shape)}",
            where=where,
            fix="Export it again",
        )
    if manifest.labels and len(manifest.labels) != head.classes:
        raise BadModel(
            f"has {len(manifest.labels)} labels for {head.classes} classes", where=where, fix="Export it again"
        )


def _check_interface(session: onnxruntime.InferenceSession, manifest: Manifest, where: str) -> None:
    """The file has the one input and the one output that the manifest says, and no other.

    :raises BadModel: it has not.
    """
    model = manifest.model
    inputs, outputs = session.get_inputs(), session.get_outputs()
    surplus = [output.name for output in outputs if output.name != model.output_name]
    if surplus:
        defended = manifest.defense is not None and manifest.defense.placement == "graph"
        raise BadModel(
            f"{'a defended graph still exposes' if defended else 'has surplus outputs:'} {', '.join(surplus)}",
            where=where,
            fix="Export it again: anyone who runs the file can read every output" if defended else "Export it again",
        )
    source, output = inputs[0] if inputs else None, outputs[0]
    if len(inputs) != 1 or source is None or source.name != model.input_name:
        names = ", ".join(repr(entry.name) for entry in inputs) or "none"
        raise BadModel(f"its inputs are {names}, the manifest says {model.input_name!r}", where=where)
    _check_value(source, "float32", (model.batch, *model.input_shape), where)
    _check_value(output, model.head.dtype, (model.batch, model.head.classes), where, known=True)


def _check_value(value: Any, dtype: str, shape: tuple[int | None, ...], where: str, *, known: bool = False) -> None:
    """Type and shape of an input or output; the batch axis comes first.

    :param known: whether every axis but the batch must be a number; an input's may be left open.
    """
    fits = value.type == _ELEMENTS[dtype] and len(value.shape) == len(shape)
    if fits:
        batch, *axes = value.shape
        fits = (batch if isinstance(batch, int) else None) == shape[0] and all(
            axis == wanted or (not known and not isinstance(axis, int))
            for axis, wanted in zip(axes, shape[1:], strict=True)
        )
    if not fits:
        wanted_shape = ["batch" if axis is None else axis for axis in shape]
        raise BadModel(
            f"{value.name!r} is {value.type} {value.shape}, the manifest says {dtype} {wanted_shape}", where=where
        )
