"""How much is done for an int8 network's accuracy: names only, so that a command can list them without loading torch.

What each refinement does is in its file below :mod:`edgeguard.export.refining`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeguard.errors import UsageError

__all__ = ["DEFAULT_EFFORT", "EFFORTS", "PLAIN", "REFINEMENTS", "Effort", "EffortName", "check_for_tflite", "chosen"]

EffortName = Literal["fast", "balanced", "best"]

# In the order in which they run: what moves ranges and weights comes before what makes up for the rest.
REFINEMENTS = ("equalize", "clip-weights", "search-ranges", "fast-bias", "bias", "gptq", "adaround")


@dataclass(frozen=True, slots=True)
class Effort:
    """A choice of refinements.

    :param observer: that takes the ranges, unless another is named.
    :param refinements: in the order in which they run.
    :param measured: whether each refinement is measured on calibration inputs, and left out where it does not help.
    """

    observer: str
    refinements: tuple[str, ...]
    measured: bool


# Every number rounded to the nearest, on ranges that hold all values.
PLAIN = Effort("min-max", (), measured=False)

EFFORTS: dict[EffortName, Effort] = {
    "fast": Effort("min-max", ("fast-bias",), measured=False),
    "balanced": Effort("percentile", ("clip-weights", "search-ranges", "bias", "gptq"), measured=True),
    "best": Effort("percentile", ("clip-weights", "search-ranges", "bias", "adaround"), measured=True),
}
DEFAULT_EFFORT: EffortName = "fast"


def chosen(name: EffortName, added: tuple[str, ...] = (), left_out: tuple[str, ...] = ()) -> Effort:
    """An effort with some refinements more, or less.

    :raises UsageError: one of them does not exist, or is both added and left out.
    """
    effort = EFFORTS[name]
    for refinement in (*added, *left_out):
        if refinement not in REFINEMENTS:
            raise UsageError(f"there is no refinement {refinement!r}", fix=f"Choose from: {', '.join(REFINEMENTS)}")
        if refinement in added and refinement in left_out:
            raise UsageError(f"{refinement} is both added and left out", fix="Name it once: --with or --without")
    wanted = ({*effort.refinements} | {*added}) - {*left_out}
    return Effort(effort.observer, tuple(each for each in REFINEMENTS if each in wanted), effort.measured)


def check_for_tflite(effort: Effort) -> None:
    """A TFLite network has the integers of its ONNX twin only while both have the same float weights.

    :raises UsageError: a refinement changes those of the twin.
    """
    if "equalize" in effort.refinements:
        raise UsageError(
            "equalize scales the channels of an ONNX network, which TFLite's do not follow",
            where="--with",
            fix="Leave it out, or export ONNX (--format onnx)",
        )
