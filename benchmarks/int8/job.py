"""What one process of a quantizer is asked to do. Read in every peer's environment: only the standard library."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Job", "Spent"]


@dataclass(frozen=True)
class Job:
    """One network, quantized once.

    :param model: float ``.onnx``, BatchNorm folded, input ``input`` of ``[batch, *shape]``, ending in logits.
    :param module: the same as a pickled torch module, if there is one.
    :param calibration: ``.npy`` of float32 ``[n, *shape]``, ready for the network.
    :param output: the int8 ``.onnx`` to write.
    :param settings: one of those that the peer knows.
    """

    peer: str
    settings: str
    model: str
    module: str | None
    calibration: str
    output: str
    seed: int

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Job:
        """What :meth:`write` wrote."""
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True)
class Spent:
    """What quantizing took.

    :param seconds: wall time, the libraries being imported already.
    :param mib: peak resident memory of the process or of its largest child, libraries included.
    """

    seconds: float
    mib: float
