"""What all runtimes share: images and inputs in, answers out, whatever engine runs the model between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.defenses.record import recorded_defense
from edgeguard.errors import BadData, BadModel
from edgeguard.manifest import Manifest

__all__ = ["LoadedArtifact", "check_manifest", "post_processor", "refuse_surplus"]

Array = np.ndarray[Any, Any]

# Images preprocessed and run at once: bounds memory, whatever a caller hands over.
_BLOCK = 32


class LoadedArtifact:
    """A loaded artifact, which leaves only its engine to a subclass; satisfies :class:`edgeguard.runtimes.Runtime`.

    With host placement the model returns raw logits; they go straight into the post-processor and nowhere else.

    :param raw: runs the model: inputs, float32 ``[n, *input_shape]``, to its output ``[n, classes]`` as it holds it.
    :param facts: see :attr:`facts`.
    :raises UsageError: the defense is not known.
    """

    def __init__(self, manifest: Manifest, raw: Callable[[Array], Array], facts: Mapping[str, str]) -> None:
        self._manifest = manifest
        self._post = post_processor(manifest)
        self._raw = raw
        self._facts = facts

    @property
    def manifest(self) -> Manifest:
        """What is loaded."""
        return self._manifest

    @property
    def facts(self) -> dict[str, str]:
        """The engine, its version, its threads, whether they spin, and which of its kernels run."""
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
        shape = self._manifest.model.input_shape
        if inputs.dtype != np.float32 or inputs.shape[1:] != shape or inputs.ndim == 0:
            raise BadData(
                f"inputs are {inputs.dtype} {list(inputs.shape)}, the model takes float32 "
                f"[batch, {', '.join(map(str, shape))}]",
            )
        if not len(inputs):
            return self._none()
        answers = self._post(self._raw(inputs))
        # Looking at the few answers is cheaper than looking at every input.
        if not np.isfinite(answers).all():
            if not np.isfinite(inputs).all():
                raise BadData("inputs hold NaN or infinity")
            raise BadModel("the model answers with NaN or infinity", fix="Check its weights and the range of its input")
        return answers

    def _none(self) -> Array:
        return np.empty((0, self._manifest.classes), np.float32)


def post_processor(manifest: Manifest) -> PostProcessor:
    """What turns the model's output into answers: with host placement the defense, else nothing but a softmax.

    :raises UsageError: the defense is not known.
    """
    return PostProcessor(manifest.model.head, _host_defense(manifest))


def check_manifest(manifest: Manifest, where: str) -> None:
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


def refuse_surplus(surplus: Sequence[str], manifest: Manifest, where: str) -> None:
    """A file has no other outputs than the one that the manifest says.

    :param surplus: names of the others.
    :raises BadModel: there are such.
    """
    if not surplus:
        return
    defended = manifest.defense is not None and manifest.defense.placement == "graph"
    raise BadModel(
        f"{'a defended graph still exposes' if defended else 'has surplus outputs:'} {', '.join(surplus)}",
        where=where,
        fix="Export it again: anyone who runs the file can read every output" if defended else "Export it again",
    )


def _host_defense(manifest: Manifest) -> Defense | None:
    """The defense that is left to the host, if there is one."""
    record = manifest.defense
    if record is None or record.placement == "graph":
        return None
    return recorded_defense(record)
