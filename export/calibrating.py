"""From a float network to its calibration table: which images, and whether the ranges are known already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from onnx import ModelProto

from edgeguard.artifact import LAB_TABLE, lab_directory
from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import find_observer, observer_parameters
from edgeguard.calibration.sets import DataSet, array_set, open_set
from edgeguard.calibration.table import CalibrationKey, CalibrationTable, load_table
from edgeguard.errors import BadModel, EdgeguardError
from edgeguard.export.loading import LoadedModel
from edgeguard.export.passes.quantize import probe
from edgeguard.export.request import ExportRequest, Reporter
from edgeguard.preprocess import Preprocess

__all__ = ["choose_set", "obtain_table"]

_SYNTHETIC_IMAGES = 64


def choose_set(
    request: ExportRequest, loaded: LoadedModel, preprocess: Preprocess | None, reporter: Reporter
) -> DataSet:
    """The calibration set: the one asked for, else a sidecar of the model, else synthetic images.

    :raises BadData: the set is unusable.
    :raises BadModel: there is none, and the network has no BatchNorm to make images from.
    """
    choice = request.calibration
    path = choice.data or _sidecar(request.load.path)
    if path is not None:
        if choice.data is None:
            reporter.step(f"calibrating on {path.name}, found beside the model")
        return open_set(path, preprocess, loaded.input_shape, limit=choice.limit, names=request.labels)
    if loaded.module is None:
        raise BadModel(
            "there are no calibration images, and none can be made from an ONNX file",
            where=str(request.load.path),
            fix="Pass some real ones: --calibration FOLDER_OR_NPZ, or put calibration.npz beside the model",
        )
    reporter.step(f"making up to {_SYNTHETIC_IMAGES} synthetic calibration images from the BatchNorm statistics")
    from edgeguard.export.synthetic import synthesize

    images = synthesize(
        loaded.module,
        loaded.input_shape,
        preprocess=preprocess,
        count=_SYNTHETIC_IMAGES,
        batch=loaded.batch,
        seconds=choice.synthetic_seconds,
        progress=reporter.progress,
    )
    reporter.warn(
        "no calibration images were given: the ranges come from SYNTHETIC images and the artifact is branded so. "
        "A few hundred real images cost nothing and are safer: --calibration FOLDER"
    )
    return array_set(images, synthetic=True)


def obtain_table(
    request: ExportRequest,
    model: ModelProto,
    tensors: Sequence[str],
    data: DataSet,
    batch: int | None,
    reporter: Reporter,
) -> CalibrationTable:
    """The ranges of ``tensors``: from an earlier export's lab if model, data and method are the same, else measured.

    Recalibrating for every tweak is what users of others complain about (onnxruntime#21908).
    """
    observer = find_observer(request.calibration.observer)
    watched = probe(model, tensors)
    key = CalibrationKey(hashlib.sha256(watched).hexdigest(), data.digest, observer.name, observer_parameters(observer))
    for path in (lab_directory(request.output) / LAB_TABLE, request.calibration.known):
        known = None if path is None else _known(path)
        if known is not None and known.key == key:
            reporter.step("the calibration table of an earlier export fits: reusing it")
            return known
    reporter.step(f"calibrating on {len(data)} images ({request.calibration.observer})")
    collected = collect(
        watched, model.graph.input[0].name, tensors, data, observer, batch=batch, progress=reporter.progress
    )
    return CalibrationTable(key, len(data), collected.ranges, collected.halves)


def _sidecar(model: Path) -> Path | None:
    candidates = (model.with_name("calibration.npz"), model.with_name("calibration"))
    return next((path for path in candidates if path.exists()), None)


def _known(path: Path) -> CalibrationTable | None:
    """The table at ``path``, if there is a readable one; a broken one is measured again, not complained about."""
    # Reading builds a validator, which takes longer than a small network takes to calibrate.
    if not path.is_file():
        return None
    try:
        return load_table(path)
    except EdgeguardError:
        return None
