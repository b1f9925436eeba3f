"""edgeguard's whole export: loading, calibrating, quantizing, checking, measuring and writing."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.int8.job import Job
from edgeguard.artifact import LAB_INT8, lab_directory
from edgeguard.calibration.effort import EFFORTS
from edgeguard.export.loading import LoadRequest
from edgeguard.export.pipeline import export
from edgeguard.export.request import CalibrationChoice, ExportRequest, QuantizationChoice
from edgeguard.targets import DEFAULT_TARGET, find_target

__all__ = ["quantize"]


class _Silent:
    """A reporter whom nobody hears."""

    def step(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def progress(self, done: int, total: int) -> None: ...


def quantize(job: Job) -> None:
    """Settings: the effort."""
    effort = EFFORTS[job.settings]  # type: ignore[index]
    artifact = Path(job.output).with_suffix(".edgeguard")
    export(
        ExportRequest(
            load=LoadRequest(Path(job.model)),
            output=artifact,
            target=find_target(DEFAULT_TARGET),
            preprocess=lambda _: None,
            calibration=CalibrationChoice(Path(job.calibration), effort.observer),
            quantization=QuantizationChoice(effort=effort),
            defense=None,
            replace_existing=True,
        ),
        _Silent(),
    )
    shutil.copyfile(lab_directory(artifact) / LAB_INT8, job.output)
