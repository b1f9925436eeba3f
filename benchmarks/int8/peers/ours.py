"""edgeguard's whole export: loading, calibrating, quantizing, checking, measuring and writing."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.int8.job import Job
from edgeguard.artifact import LAB_INT8, lab_directory
from edgeguard.calibration.effort import EFFORTS
from edgeguard.export.loading import LoadRequest
from edgeguard.export.pipeline import export
from edgeguard.export.request import CalibrationChoice, ExportRequest, QuantizationChoice, Reporter
from edgeguard.targets import DEFAULT_TARGET, find_target

__all__ = ["quantize", "request_of", "silent"]


class _Silent:
    """A reporter whom nobody hears."""

    def step(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def progress(self, done: int, total: int) -> None: ...


def silent() -> Reporter:
    """A reporter for nobody."""
    return _Silent()


def request_of(job: Job) -> ExportRequest:
    """What a job asks of edgeguard; its settings are the effort."""
    effort = EFFORTS[job.settings]  # type: ignore[index]
    return ExportRequest(
        load=LoadRequest(Path(job.model)),
        output=Path(job.output).with_suffix(".edgeguard"),
        target=find_target(DEFAULT_TARGET),
        preprocess=lambda _: None,
        calibration=CalibrationChoice(Path(job.calibration), effort.observer),
        quantization=QuantizationChoice(effort=effort),
        defense=None,
        replace_existing=True,
    )


def quantize(job: Job) -> None:
    """Settings: the effort."""
    request = request_of(job)
    export(request, silent())
    shutil.copyfile(lab_directory(request.output) / LAB_INT8, job.output)
