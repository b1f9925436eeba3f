"""Running a network over calibration inputs: on all cores, with one kind of error, and with word of how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.errors import BadModel
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.ort_session import all_cores, open_session

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Progress", "calibrating_session", "report", "run_calibrating"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]


def calibrating_session(model: Path | bytes, *, spinning: bool = False) -> onnxruntime.InferenceSession:
    """A session on all cores; see :func:`edgeguard.runtimes.ort_session.open_session`."""
    # However many threads: each number is computed by one of them, so that none of them changes.
    return open_session(model, threads=all_cores(), spinning=spinning)


def run_calibrating(
    session: onnxruntime.InferenceSession, outputs: Sequence[str] | None, fed: dict[str, Array]
) -> list[Any]:
    """The values of some outputs; ``None`` stands for all of them.

    :raises BadModel: the model does not run.
    """
    try:
        values: list[Any] = session.run(outputs, fed)
    except Exception as error:  # ONNX Runtime raises a dozen unrelated types
        raise BadModel(f"ONNX Runtime fails while calibrating: {first_line(error)}") from None
    return values


def report(progress: Progress | None, done: int, total: int) -> int:
    """Tell whoever listens; ``done`` again."""
    if progress is not None:
        progress(done, total)
    return done
