"""Something to measure, as a worker process is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeguard.manifest import Format

__all__ = ["Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to time.

    :param name: unique within a run.
    :param path: a model file, or for ``runtime`` an artifact directory.
    :param how: ``session`` calls the engine itself, ``host`` applies the numpy post-processor of ``artifact`` to what
        it returns, and ``runtime`` goes the whole way from a uint8 image to the answer.
    :param artifact: whose post-processor it is; only for ``host``.
    :param inputs: an ``.npy`` file: finished inputs ``[n, batch, *input_shape]``, or for ``runtime`` images
        ``[n, height, width, channels]``.
    :param format: of the model, which decides the engine.
    :param delay: private, for measuring the bench itself: a busy-wait after each run, as a share of its duration.
    """

    name: str
    path: str
    how: Literal["session", "host", "runtime"]
    inputs: str
    artifact: str | None = None
    format: Format = "onnx"
    delay: float = 0.0
