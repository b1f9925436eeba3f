"""Loading: from a file on disk, trusted or not, to a network as ONNX, or in TFLite as it came."""

from __future__ import annotations

from edgeguard.errors import BadModel
from edgeguard.export.loading.base import Accepts, Kind, Loaded, LoadedModel, LoadedTflite, LoadRequest
from edgeguard.export.loading.files import Container, sniff
from edgeguard.extras import require

__all__ = ["Accepts", "Kind", "LoadRequest", "Loaded", "LoadedModel", "LoadedTflite", "load_any", "load_model"]


def load_model(request: LoadRequest) -> LoadedModel:
    """The float network in a file. An ``.onnx`` file never imports torch.

    :raises MissingExtra: the file needs torch, which is not installed.
    :raises UsageError: there is no such file, or it does not say all that must be known.
    :raises RejectedInput: it is unsafe, damaged, or no classifier's network.
    """
    return _load(request, sniff(request.path))


def load_any(request: LoadRequest) -> Loaded:
    """The network in a file, which may be TFLite if the request accepts quantized ones; see :func:`load_model`.

    :raises EdgeguardError: see there and in :func:`~edgeguard.export.loading.tflite_file.load_tflite`.
    """
    container = sniff(request.path)
    if container == "tflite" and request.accepts == "quantized":
        from edgeguard.export.loading.tflite_file import load_tflite

        return load_tflite(request)
    return _load(request, container)


def _load(request: LoadRequest, container: Container) -> LoadedModel:
    if container == "torch-zip":
        require("torch", "export")
        from edgeguard.export.loading.torch_file import load_torch

        return load_torch(request)
    if container == "tflite":
        from edgeguard.runtimes.tflite_probe import probe_tflite

        probe_tflite(request.path)
        raise BadModel(
            "is a TensorFlow Lite model; export begins with a float .pt, .pt2 or .onnx file",
            where=str(request.path),
            fix="To defend it as it is, use edgeguard defend",
        )
    from edgeguard.export.loading.onnx_file import load_onnx

    return load_onnx(request)
