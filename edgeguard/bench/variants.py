"""What there is to time of an artifact: its float and int8 models, itself twice, and itself from image to answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgeguard.artifact import Artifact, lab_float, lab_int8
from edgeguard.bench.messages import Subject
from edgeguard.errors import UsageError
from edgeguard.manifest import Format

__all__ = [
    "CONTROL",
    "END_TO_END",
    "FLOAT",
    "INT8",
    "Skipped",
    "Variant",
    "Variants",
    "choose_variants",
    "deployed_name",
]

Array = np.ndarray[Any, Any]

FLOAT = "float"
INT8 = "int8"
CONTROL = "control"
END_TO_END = "end-to-end"
_ABSENT = {FLOAT: "the network was quantized before it came here", INT8: "the artifact was not quantized"}


@dataclass(frozen=True, slots=True)
class Variant:
    """Something that is timed.

    :param scope: ``model`` from a finished input to the answer, ``end_to_end`` from a uint8 image.
    :param file: name of the model file.
    :param sha256: its digest.
    :param format: of the model file.
    :param engine: what runs it.
    :param kernels: which kernels of LiteRT, ``xnnpack`` or ``builtin`` or both; ``None`` for ONNX Runtime, which has
        one kind.
    """

    name: str
    scope: Literal["model", "end_to_end"]
    file: str
    sha256: str
    format: Format = "onnx"
    engine: str = "onnxruntime"
    kernels: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that could not be timed, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Variants:
    """What is timed, what is not, and how the workers find it."""

    timed: tuple[Variant, ...]
    skipped: tuple[Skipped, ...]
    subjects: tuple[Subject, ...]


def deployed_name(artifact: Artifact) -> str:
    """What the artifact itself is called among the variants: ``defended``, or ``deployed`` if it has no defense."""
    return "deployed" if artifact.manifest.defense is None else "defended"


def choose_variants(artifact: Artifact, scratch: Path) -> Variants:
    """All variants that this artifact and its lab allow.

    The A/A control is a second session of the artifact itself rather than of ``int8.onnx``: the artifact is there even
    on a device, which never has the lab, and its control passes through the very Python (with a host defense, the
    post-processor) whose cost is in question.

    :param scratch: a directory for the inputs, which must outlive the workers.
    :raises Untrusted: a file of the lab belongs to another export.
    """
    facts = artifact.manifest.model
    kind = facts.format
    inputs = _save(scratch / "inputs.npy", _inputs(artifact))
    timed: list[Variant] = []
    subjects: list[Subject] = []
    skipped: list[Skipped] = []
    for name, file in ((FLOAT, lab_float(kind)), (INT8, lab_int8(kind))):
        if file not in artifact.manifest.lab:
            skipped.append(Skipped(name, _ABSENT[name]))
            continue
        try:
            path = artifact.lab_file(file)
        except UsageError as absent:
            skipped.append(Skipped(name, str(absent)))
            continue
        timed.append(Variant(name, "model", file, artifact.manifest.lab[file].sha256, kind))
        subjects.append(Subject(name, str(path), "session", inputs, format=kind))
    defense = artifact.manifest.defense
    digest = artifact.manifest.files[facts.file].sha256
    for name in (deployed_name(artifact), CONTROL):
        timed.append(Variant(name, "model", facts.file, digest, kind))
        # A defense in the graph is timed by a bare session like its rivals; one on the host with its numpy part.
        if facts.head.kind == "posterior" and (defense is None or defense.placement == "graph"):
            subjects.append(Subject(name, str(artifact.model_path), "session", inputs, format=kind))
        else:
            whose = str(artifact.path)
            subjects.append(Subject(name, str(artifact.model_path), "host", inputs, artifact=whose, format=kind))
    if artifact.manifest.preprocess is None:
        skipped.append(Skipped(END_TO_END, "the artifact's input is not an image"))
    else:
        timed.append(Variant(END_TO_END, "end_to_end", facts.file, digest, kind))
        images = _save(scratch / "images.npy", _images(artifact.manifest.preprocess.size))
        subjects.append(Subject(END_TO_END, str(artifact.path), "runtime", images, format=kind))
    return Variants(tuple(timed), tuple(skipped), tuple(subjects))


def _inputs(artifact: Artifact) -> Array:
    """Finished inputs, float32 ``[n, batch, *input_shape]``: the goldens, which are real, else noise."""
    facts = artifact.manifest.model
    batch = facts.batch or 1
    with np.load(artifact.golden_path, allow_pickle=False) as file:
        golden = np.asarray(file["inputs"], np.float32)
    if len(golden) == 0:
        golden = np.random.default_rng(0).normal(size=(8, *facts.input_shape)).astype(np.float32)
    index = np.arange(len(golden) * batch).reshape(len(golden), batch) % len(golden)
    chosen: Array = golden[index]
    return chosen


def _images(size: tuple[int, int]) -> Array:
    """Random images of the network's own size: what a camera's larger ones would add depends on the camera."""
    return np.random.default_rng(0).integers(0, 256, (8, *size, 3), np.uint8)


def _save(path: Path, values: Array) -> str:
    np.save(path, values)
    return str(path)
