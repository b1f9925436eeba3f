"""Exports in this process: what is asked for, and what is said meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.export.loading import LoadRequest
from edgeguard.export.request import CalibrationChoice, DefenseChoice, ExportRequest, QuantizationChoice
from edgeguard.preprocess import Preprocess
from edgeguard.targets import find_target
from tests.artifacts import random_images, random_network

__all__ = ["Heard", "request_for", "unit", "write_images", "write_model"]


@dataclass
class Heard:
    """A reporter that remembers."""

    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    ticks: list[tuple[int, int]] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, done: int, total: int) -> None:
        self.ticks.append((done, total))


def unit(shape: tuple[int, ...]) -> Preprocess:
    """Pixels as 0..1."""
    return Preprocess((shape[1], shape[2]))


def request_for(model: Path | str, output: Path | str, *, data: Path | None = None, **changes: Any) -> ExportRequest:
    """An int8 export with the default defense, calibrated by min-max.

    :param changes: fields of the request, or of its ``load`` and ``calibration``.
    """
    load = {name: changes.pop(name) for name in ("arch", "arch_args", "input_shape", "trust_pickle") if name in changes}
    chosen = {name: changes.pop(name) for name in ("observer", "limit", "synthetic_seconds") if name in changes}
    preprocess: Callable[[tuple[int, ...]], Preprocess | None] = unit
    request = ExportRequest(
        load=LoadRequest(Path(model), **load),
        output=Path(output),
        target=find_target("arm64"),
        preprocess=preprocess,
        calibration=CalibrationChoice(**({"data": data, "observer": "min-max"} | chosen)),
        quantization=QuantizationChoice(),
        defense=DefenseChoice("dcp"),
    )
    return replace(request, **changes)


def write_model(path: Path, model: ModelProto | None = None) -> Path:
    """An ONNX file; the random network unless another is given."""
    path.write_bytes((model or random_network()).SerializeToString())
    return path


def write_images(path: Path, count: int, *, seed: int = 0, labels: np.ndarray[Any, Any] | None = None) -> Path:
    """An ``.npz`` of random pictures."""
    arrays = {"x": random_images(count, seed=seed)} | ({} if labels is None else {"y": labels})
    np.savez(path, **arrays)
    return path
