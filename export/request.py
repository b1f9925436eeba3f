"""What an export is asked to do, and whom it tells about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from edgeguard.calibration.effort import PLAIN, Effort
from edgeguard.defenses.gate import Score
from edgeguard.export.loading import LoadRequest
from edgeguard.manifest import Format
from edgeguard.preprocess import Preprocess
from edgeguard.targets import Target

__all__ = ["CalibrationChoice", "DefenseChoice", "ExportRequest", "QuantizationChoice", "Reporter"]


class Reporter(Protocol):
    """Receives what a person would like to know while waiting."""

    def step(self, text: str) -> None:
        """A stage begins."""

    def warn(self, text: str) -> None:
        """Something that the artifact's owner must know; it also lands in the manifest."""

    def progress(self, done: int, total: int) -> None:
        """Within a stage."""


@dataclass(frozen=True, slots=True)
class CalibrationChoice:
    """Where activation ranges come from.

    :param data: images; ``None`` looks for a sidecar beside the model, then makes synthetic ones.
    :param limit: at most this many images, spread evenly over the set.
    :param synthetic_seconds: bound on making synthetic images.
    :param known: a calibration table that is taken if it is of the same network, data and method.
    """

    data: Path | None
    observer: str
    limit: int | None = None
    synthetic_seconds: float = 120.0
    known: Path | None = None


@dataclass(frozen=True, slots=True)
class QuantizationChoice:
    """How to quantize.

    :param head: whether logits leave the last layer as float or int8.
    :param keep_float: names of nodes that stay in float.
    :param max_drop: percentage points that int8 may lose before layers are left in float; ``None`` for no limit. See
        :mod:`edgeguard.export.keeping`.
    :param effort: what is done for its accuracy.
    """

    head: Literal["float", "int8"] = "float"
    keep_float: tuple[str, ...] = ()
    max_drop: float | None = None
    effort: Effort = PLAIN


@dataclass(frozen=True, slots=True)
class DefenseChoice:
    """Which defense, and where it runs.

    :param parameters: overrides, as text.
    :param gate: score of the gate; ``None`` lets the budget decide whether there is one.
    :param budget: percentage points of benign accuracy that may be lost; ``None`` if none was named.
    :param key: the owner's key file.
    :param queries: images such as a thief may ask, which gated answers are made to imitate.
    """

    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    placement: Literal["graph", "host"] = "graph"
    gate: Score | Literal["none"] | None = None
    budget: float | None = None
    key: Path | None = None
    queries: Path | None = None

    @property
    def overrides(self) -> Mapping[str, str]:
        """The overrides by name."""
        return dict(self.parameters)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """One export.

    :param preprocess: gives the preprocessing for the network's input shape; ``None`` for inputs that are no images.
    :param quantization: ``None`` leaves the network in float.
    :param defense: ``None`` leaves the answers as they are.
    :param validation: images apart from the calibration set, to measure on.
    :param format: of the model file. A TFLite model is defended in TFLite whatever this says.
    :param replace_existing: whether an artifact at ``output`` may be replaced.
    """

    load: LoadRequest
    output: Path
    target: Target
    preprocess: Callable[[tuple[int, ...]], Preprocess | None]
    calibration: CalibrationChoice
    quantization: QuantizationChoice | None
    defense: DefenseChoice | None
    validation: Path | None = None
    format: Format = "onnx"
    labels: tuple[str, ...] = ()
    replace_existing: bool = False
