"""Choosing the runtime for an artifact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeguard.artifact import Artifact, open_artifact
from edgeguard.errors import DeviceError, UsageError
from edgeguard.runtimes.protocol import Runtime
from edgeguard.runtimes.quiet_onnxruntime import import_onnxruntime
from edgeguard.runtimes.tflite_probe import probe_tflite

__all__ = ["RUNTIMES", "load", "load_opened", "load_unprobed", "probe_model"]


def load(artifact: Path | str, *, threads: int = 1, spinning: bool = False) -> Runtime:
    """Load an artifact with the runtime its format needs; every file's digest is verified first.

    :param threads: threads inside an operator.
    :param spinning: whether idle threads burn CPU time to answer sooner: right for a benchmark, wrong for a device that
        does other work too. LiteRT has no such choice.
    :raises UsageError: there is no artifact, no runtime for its format, or ``threads`` is not positive.
    :raises Untrusted: the artifact's files differ from its manifest.
    :raises RejectedInput: the model file is not what the manifest says it is, or kills its engine.
    :raises DeviceError: the engine is not installed here.
    """
    return load_opened(open_artifact(Path(artifact)), threads=threads, spinning=spinning)


def load_opened(artifact: Artifact, *, threads: int = 1, spinning: bool = False) -> Runtime:
    """Load an artifact whose files have been verified; see :func:`load`."""
    probe_model(artifact.model_path, artifact.manifest.model.format)
    return load_unprobed(artifact, threads=threads, spinning=spinning)


def load_unprobed(artifact: Artifact, *, threads: int = 1, spinning: bool = False) -> Runtime:
    """Load an artifact in a process that may be lost to a bad file, as a worker may, or after :func:`probe_model`."""
    if threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    kind = artifact.manifest.model.format
    if kind not in RUNTIMES:
        raise UsageError(
            f"this edgeguard has no runtime for {kind} models yet",
            where=str(artifact.model_path),
            fix=f"Export with one of these formats: {', '.join(RUNTIMES)}",
        )
    return RUNTIMES[kind](artifact, threads, spinning)


def probe_model(model: Path, kind: str) -> None:
    """Let a model of a format whose engine can die of it be tried by another process, which takes a third of a second.

    :param kind: the format.
    :raises BadModel: the engine refuses the file, dies of it, or hangs.
    """
    if kind == "tflite":
        probe_tflite(model)


def _onnx(artifact: Artifact, threads: int, spinning: bool) -> Runtime:
    try:
        # Asked here so that the answer is a sentence.
        import_onnxruntime()
    except ImportError as error:
        raise DeviceError(
            f"onnxruntime cannot be imported: {error}",
            fix="Install it with: pip install onnxruntime (64-bit systems only)",
        ) from None
    from edgeguard.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime(artifact, threads=threads, spinning=spinning)


def _tflite(artifact: Artifact, threads: int, _spinning: bool) -> Runtime:
    from edgeguard.runtimes.litert_runtime import LiteRtRuntime

    return LiteRtRuntime(artifact, threads=threads)


# Format of the model file to what loads it. Engines are imported only when they are needed.
RUNTIMES: dict[str, Callable[[Artifact, int, bool], Runtime]] = {"onnx": _onnx, "tflite": _tflite}
