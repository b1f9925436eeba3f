"""Artifacts with a TFLite model, in LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.artifact import Artifact
from edgeguard.errors import BadModel
from edgeguard.manifest import Manifest
from edgeguard.runtimes.answering import LoadedArtifact, check_manifest, refuse_surplus
from edgeguard.runtimes.litert_session import LiteRtSession, litert_engine, load_litert

__all__ = ["LiteRtRuntime"]

# LiteRT has no setting for it: what idle threads of XNNPACK do is XNNPACK's business.
_SPINNING = "not adjustable"


class LiteRtRuntime(LoadedArtifact):
    """A loaded artifact; satisfies :class:`edgeguard.runtimes.protocol.Runtime`.

    :param artifact: opened, so that its files are known to be the manifest's; and tried elsewhere before, for a bad
        file can take this process down: see :func:`edgeguard.runtimes.loading.load_opened`.
    :raises BadModel: the model file has other inputs or outputs than the manifest says, or exposes undefended ones.
    :raises DeviceError: no engine is installed here.
    :raises UsageError: the defense is not known.
    """

    def __init__(self, artifact: Artifact, *, threads: int) -> None:
        _, engine, version = litert_engine()
        manifest = artifact.manifest
        where = str(artifact.model_path)
        check_manifest(manifest, where)
        session = load_litert(artifact.model_path, threads=threads)
        _check_interface(session, manifest, where)
        facts = {
            "engine": engine,
            "version": version,
            "threads": str(threads),
            "spinning": _SPINNING,
            "kernels": session.kernels,
        }
        super().__init__(manifest, session.run, facts)
        self._session = session


def _check_interface(session: LiteRtSession, manifest: Manifest, where: str) -> None:
    """The file has the one input and the one output that the manifest says, and no other.

    :raises BadModel: it has not.
    """
    model, head = manifest.model, manifest.model.head
    names = [str(each["name"]) for each in session.inputs]
    if names != [model.input_name]:
        said = ", ".join(repr(name) for name in names)
        raise BadModel(f"its inputs are {said}, the manifest says {model.input_name!r}", where=where)
    outputs = [str(each["name"]) for each in session.outputs]
    if model.output_name not in outputs:
        refuse_surplus(outputs, manifest, where)
    refuse_surplus(session.surplus if outputs[0] == model.output_name else outputs[:1], manifest, where)
    _check_shape(session.input, session.input["dtype"], model.batch, model.input_shape, where)
    _check_shape(session.output, np.dtype(head.dtype).type, model.batch, (head.classes,), where)
    _check_grid(session.output, manifest, where)
    # Whether numbers can become its integers is told now, not by the first query.
    session.quantized(np.empty((0, *model.input_shape), np.float32))


def _check_shape(details: dict[str, Any], dtype: Any, batch: int | None, axes: tuple[int, ...], where: str) -> None:
    """Type and shape of an input or output; the batch axis comes first.

    :param batch: ``None`` for a file that leaves it open; where one does, it may still be said what it is at first.
    """
    first, *rest = (int(axis) for axis in details["shape"])
    left_open = int(details["shape_signature"][0]) == -1
    if details["dtype"] is not dtype or tuple(rest) != axes or (not left_open if batch is None else first != batch):
        kind = np.dtype(details["dtype"]).name
        raise BadModel(
            f"{str(details['name'])!r} is {kind} {['batch' if left_open else first, *rest]}, the manifest says "
            f"{np.dtype(dtype).name} {['batch' if batch is None else batch, *axes]}",
            where=where,
        )


def _check_grid(output: dict[str, Any], manifest: Manifest, where: str) -> None:
    """What integers of the output stand for."""
    head = manifest.model.head
    if head.scale is None:
        return
    scale, zero_point = output["quantization"]
    if np.float32(scale) != np.float32(head.scale) or zero_point != head.zero_point:
        raise BadModel(
            f"{str(output['name'])!r} has steps of {scale:g} around {zero_point}, the manifest says {head.scale:g} "
            f"around {head.zero_point}",
            where=where,
        )
