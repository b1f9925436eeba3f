"""Artifacts with an ONNX model, in ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeguard.artifact import Artifact
from edgeguard.errors import BadModel, UsageError
from edgeguard.manifest import Manifest
from edgeguard.runtimes.answering import LoadedArtifact, check_manifest, refuse_surplus
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.runtimes.quiet_onnxruntime import import_onnxruntime

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRuntime"]

_ELEMENTS = {"float32": "tensor(float)", "uint8": "tensor(uint8)", "int8": "tensor(int8)"}


class OnnxRuntime(LoadedArtifact):
    """A loaded artifact; satisfies :class:`edgeguard.runtimes.protocol.Runtime`.

    :param artifact: opened, so that its files are known to be the manifest's.
    :raises BadModel: the model file has other inputs or outputs than the manifest says, or exposes undefended ones.
    :raises UsageError: the ONNX Runtime here is older than the model needs, or the defense is not known.
    """

    def __init__(self, artifact: Artifact, *, threads: int, spinning: bool) -> None:
        ort = import_onnxruntime()
        manifest = artifact.manifest
        _check_version(ort.__version__, manifest.min_onnxruntime)
        where = str(artifact.model_path)
        check_manifest(manifest, where)
        session = open_session(artifact.model_path, threads=threads, spinning=spinning)
        _check_interface(session, manifest, where)
        batch = manifest.model.batch
        facts = {
            "engine": "onnxruntime",
            "version": ort.__version__,
            "threads": str(threads),
            "spinning": "on" if spinning else "off",
            "provider": ", ".join(session.get_providers()),
        }
        super().__init__(manifest, lambda inputs: run_session(session, inputs, batch), facts)
        self._session = session


def _check_version(present: str, needed: str | None) -> None:
    """Old runtimes refuse newer files in words that help nobody (onnxruntime#25932, #20559)."""

    def numbers(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())

    if needed is not None and numbers(present) < numbers(needed):
        raise UsageError(
            f"the model needs onnxruntime {needed} or later, here is {present}",
            fix="Install it with: pip install --upgrade onnxruntime",
        )


def _check_interface(session: onnxruntime.InferenceSession, manifest: Manifest, where: str) -> None:
    """The file has the one input and the one output that the manifest says, and no other.

    :raises BadModel: it has not.
    """
    model = manifest.model
    inputs, outputs = session.get_inputs(), session.get_outputs()
    refuse_surplus([output.name for output in outputs if output.name != model.output_name], manifest, where)
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
