"""Loading: from a file on disk, trusted or not, to a float network as ONNX."""

from __future__ import annotations

from edgeguard.errors import BadModel
from edgeguard.export.loading.base import Accepts, Kind, LoadedModel, LoadRequest
from edgeguard.export.loading.files import sniff
from edgeguard.extras import require

__all__ = ["Accepts", "Kind", "LoadRequest", "LoadedModel", "load_model"]


def load_model(request: LoadRequest) -> LoadedModel:
    """The float network in a file. An ``.onnx`` file never imports torch.

    :raises MissingExtra: the file needs torch, which is not installed.
    :raises UsageError: there is no such file, or it does not say all that must be known.
    :raises RejectedInput: it is unsafe, damaged, or no classifier's network.
    """
    container = sniff(request.path)
    if container == "torch-zip":
        require("torch", "export")
        from edgeguard.export.loading.torch_file import load_torch

        return load_torch(request)
    if container == "tflite":
        from edgeguard.runtimes.tflite_probe import probe_tflite

        probe_tflite(request.path)
        raise BadModel(
            "is a TensorFlow Lite model; export begins with a float .pt, .pt2 or .onnx file", where=str(request.path)
        )
    from edgeguard.export.loading.onnx_file import load_onnx

    return load_onnx(request)
