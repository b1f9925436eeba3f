"""A quantized network that can still be made better, and what makes it better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from onnx import ModelProto

from edgeguard.calibration.observers import Range
from edgeguard.export.refining.partial import Trial

__all__ = ["Draft", "Refinement", "ToInt8"]

# Float network and ranges to the quantized network.
ToInt8 = Callable[[ModelProto, Mapping[str, Range]], ModelProto]


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A quantized network beside the float one that it shall answer like.

    :param network: the float network.
    :param source: the float network whose weights were quantized; it may differ from ``network`` in its weights.
    :param ranges: by tensor.
    :param quantize: what it was made by.
    """

    network: ModelProto
    source: ModelProto
    ranges: Mapping[str, Range]
    quantized: ModelProto
    quantize: ToInt8

    @classmethod
    def of(cls, network: ModelProto, ranges: Mapping[str, Range], quantize: ToInt8) -> Draft:
        """The network as it is, every number rounded to the nearest."""
        return cls(network, network, ranges, quantize(network, ranges), quantize)

    def on_ranges(self, ranges: Mapping[str, Range]) -> Draft:
        """Quantized anew, on other ranges."""
        return replace(self, ranges=ranges, quantized=self.quantize(self.source, ranges))

    def from_weights(self, source: ModelProto) -> Draft:
        """Quantized anew, from other weights."""
        return replace(self, source=source, quantized=self.quantize(source, self.ranges))

    def holding(self, quantized: ModelProto) -> Draft:
        """With other integers in place of those that it holds."""
        return replace(self, quantized=quantized)


class Refinement(Protocol):
    """One way to make a draft answer more like its float network."""

    @property
    def name(self) -> str:
        """As the command line calls it."""

    def refine(self, draft: Draft, trial: Trial) -> Draft:
        """The better draft; the argument is left alone.

        :param trial: inputs of the calibration set.
        """
