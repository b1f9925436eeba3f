"""What a loader is asked for and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from onnx import ModelProto

if TYPE_CHECKING:
    import torch

__all__ = ["Accepts", "Kind", "LoadRequest", "Loaded", "LoadedModel", "LoadedTflite"]

Accepts = Literal["float", "quantized"]
Kind = Literal["state-dict", "torchscript", "exported-program", "pickled-module", "onnx", "tflite"]


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A model file, and what it does not say itself.

    :param arch: ``pkg.module:factory``, which builds the network that a state_dict fits.
    :param arch_args: keyword arguments of the factory, as text.
    :param input_shape: of one input, without the batch axis.
    :param accepts: ``float`` for networks that may be rewritten; ``quantized`` also takes TFLite files and quantized
        ONNX files, in standard operators or ONNX Runtime's own, to be left as they are.
    :param trust_pickle: whether a pickled ``nn.Module`` may be unpickled, which runs code from the file.
    """

    path: Path
    arch: str | None = None
    arch_args: tuple[tuple[str, str], ...] = ()
    input_shape: tuple[int, ...] | None = None
    trust_pickle: bool = False
    accepts: Accepts = "float"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A float network as ONNX, and where it came from.

    :param module: the torch network, for synthetic calibration; ``None`` for an ONNX file.
    :param input_shape: of one input, without the batch axis.
    :param batch: the batch size that the graph is fixed to, or ``None`` if any will do.
    :param sha256: of the file.
    """

    model: ModelProto
    module: torch.nn.Module | None
    input_shape: tuple[int, ...]
    batch: int | None
    sha256: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class LoadedTflite:
    """A network in TFLite, float or quantized.

    :param data: the file's content, which an interpreter has accepted in a process of its own.
    :param input_shape: of one input, without the batch axis.
    :param batch: the batch size that the graph is fixed to.
    :param sha256: of the file.
    """

    data: bytes
    input_shape: tuple[int, ...]
    batch: int
    sha256: str
    kind: Kind = "tflite"


Loaded = LoadedModel | LoadedTflite
