"""Artifacts with a TFLite model for tests, put together without the exporting half: a dense layer, float or int8."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgeguard.artifact import GOLDEN, MANIFEST, file_facts, lab_float, lab_int8
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.label import Label
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.defenses.record import record_of
from edgeguard.export.golden import choose_goldens
from edgeguard.export.packing import Package, publish
from edgeguard.export.tflite.head import attach_tflite
from edgeguard.manifest import Manifest, ModelFacts, SourceFacts, oldest_reader
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes.litert_session import litert_answerer
from tests.tflite_files import CLASSES, IMAGE, OUTPUT, SIZE, Grid, dense_file

__all__ = ["LOGITS_GRID", "MODEL", "PREPROCESS", "images", "make_tflite_artifact", "repack_tflite"]

Array = np.ndarray[Any, Any]

MODEL = "model.tflite"
LOGITS_GRID: Grid = (0.05, 3)
PREPROCESS = Preprocess((SIZE, SIZE), layout="nhwc")
_LABEL = Defense(Label())


def images(count: int, *, seed: int = 0) -> Array:
    """Random pictures, uint8 ``[count, SIZE, SIZE, 3]``."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def make_tflite_artifact(
    directory: Path,
    *,
    name: str = "small",
    quantized: bool = True,
    placement: Literal["graph", "host"] = "host",
    defense: Defense | None = _LABEL,
    batch: int = 1,
    labels: tuple[str, ...] = (),
    pictures: bool = True,
    seed: int = 0,
) -> Path:
    """Write ``directory/NAME.edgeguard`` and its lab; returns the artifact's path.

    :param quantized: whether input, dense layer and logits are int8; otherwise all is float.
    :param batch: what the file is fixed to.
    :param pictures: otherwise the manifest has no preprocessing.
    """
    grid = LOGITS_GRID if quantized else None
    on_host = defense is not None and placement == "host"
    head = Head("logits", CLASSES)
    if quantized:
        head = Head("logits", CLASSES, "int8", float(np.float32(LOGITS_GRID[0])), LOGITS_GRID[1])
    model = dense_file(grid, ends="logits", batch=batch, seed=seed)
    if not on_host:
        model, head = attach_tflite(model, head, defense), Head("posterior", CLASSES)
    inputs = PREPROCESS(images(256, seed=seed + 1))
    logits = litert_answerer(dense_file(None, ends="logits", seed=seed))(inputs)
    answers = PostProcessor(head, defense if on_host else None)(litert_answerer(model)(inputs))
    goldens = choose_goldens(inputs, logits, answers, LOGITS_GRID[0], defense)
    record = None if defense is None else record_of(defense, placement)
    manifest = Manifest(
        target="arm64",
        min_onnxruntime=None,
        source=SourceFacts("model.pt", "0" * 64, "module"),
        model=ModelFacts(MODEL, "tflite", IMAGE, (SIZE, SIZE, 3), batch, OUTPUT, head),
        preprocess=PREPROCESS if pictures else None,
        labels=labels,
        tools={"edgeguard": "test"},
        files={},
        lab={},
        defense=record,
        min_reader=oldest_reader("tflite", record),
    )
    lab = {lab_float("tflite"): dense_file(batch=batch, seed=seed)}
    if quantized:
        lab[lab_int8("tflite")] = dense_file(grid, batch=batch, seed=seed)
    path = directory / f"{name}.edgeguard"
    publish(Package(manifest, {MODEL: model, GOLDEN: goldens.to_bytes()}, lab), path, replace_existing=True)
    return path


def repack_tflite(
    artifact: Path, *, model: bytes | None = None, manifest: Callable[[dict[str, Any]], None] | None = None
) -> Path:
    """Change an artifact in place such that every digest fits again: what a careless or hostile exporter would write.

    :param model: replaces the model's file; ``manifest`` edits the manifest, as JSON.
    """
    content = json.loads((artifact / MANIFEST).read_bytes())
    if model is not None:
        (artifact / MODEL).write_bytes(model)
    if manifest is not None:
        manifest(content)
    content["files"] = {file: asdict(file_facts(artifact / file)) for file in content["files"]}
    (artifact / MANIFEST).write_text(json.dumps(content))
    return artifact
