"""What an artifact says about itself: the content of ``manifest.json``.

The types are frozen dataclasses; pydantic stands only at the file boundary, where :func:`read_manifest` and
:func:`write_manifest` use it. Law: reading what was written gives an equal manifest.

``schema_version`` counts every change of the format. ``min_reader`` is the oldest schema version whose reader still
understands the file: a reader refuses a manifest whose ``min_reader`` is above its own version, and ignores fields that
it does not know otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeguard.defenses.head import Head
from edgeguard.defenses.record import DefenseRecord
from edgeguard.errors import EdgeguardError, Untrusted
from edgeguard.preprocess import Preprocess

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "SCHEMA_VERSION",
    "CalibrationFacts",
    "FileFacts",
    "Format",
    "Manifest",
    "Measured",
    "ModelFacts",
    "QuantizationFacts",
    "RefinementFacts",
    "SourceFacts",
    "manifest_schema",
    "oldest_reader",
    "read_manifest",
    "write_manifest",
]

# Of the model file, and the ending of its name.
Format = Literal["onnx", "tflite"]

SCHEMA_VERSION = 4
# Version 3 knows artifacts that need no ONNX Runtime, version 4 gates whose cells are directions; of others a reader of
# version 2 understands all.
_OLDEST_READER = {"onnx": 2, "tflite": 3}
_OLDEST_OF_GATES = 4
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Identity of one file of the artifact or its lab."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The file that was exported."""

    name: str
    sha256: str
    kind: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model file as a runtime sees it.

    :param input_shape: of one input, without the batch axis.
    :param batch: the batch size that the graph is fixed to, or ``None`` if any will do.
    :param head: what the file's output is; ``posterior`` when the defense is part of the graph.
    """

    file: str
    format: Format
    input_name: str
    input_shape: tuple[int, ...]
    batch: int | None
    output_name: str
    head: Head


@dataclass(frozen=True, slots=True)
class CalibrationFacts:
    """Where the activation ranges come from.

    :param source: ``images`` or ``synthetic``: the second brands an artifact whose ranges were never near real data.
    :param digest: of the images' digests, in order.
    :param table: digest of the calibration table, which lies in the lab.
    :param halves_difference: largest difference of a range between two disjoint halves of the set, as a fraction of the
        range (pytorch#45185); ``None`` for fewer than two images.
    """

    source: Literal["images", "synthetic"]
    images: int
    observer: str
    observer_parameters: dict[str, float]
    digest: str
    table: str
    halves_difference: float | None
    halves_tensor: str | None


@dataclass(frozen=True, slots=True)
class RefinementFacts:
    """What a refinement of the int8 network did, on calibration images.

    :param sqnr_before: of the logits against the float network's, in dB; ``None`` if nothing was measured or differs.
    :param sqnr_after: the same with the refinement.
    :param kept: whether it stayed.
    """

    name: str
    sqnr_before: float | None
    sqnr_after: float | None
    kept: bool


@dataclass(frozen=True, slots=True)
class QuantizationFacts:
    """What was quantized, and how.

    :param head: whether logits leave the last layer as float or int8.
    :param kept_float: nodes left in float on purpose.
    :param integer_mac_share: share of multiply-accumulates in integer kernels of ONNX Runtime's optimized graph, 0..1.
    :param optimizer_max_steps: largest difference of a logit between graph optimizations off and on, in steps of the
        logits' scale (onnxruntime#11576, #24711).
    :param refinements: what was done for its accuracy, in order.
    """

    activation_type: str
    weight_type: str
    per_channel: bool
    reduce_range: bool
    head: Literal["float", "int8"]
    kept_float: tuple[str, ...]
    integer_mac_share: float
    optimizer_max_steps: float
    float_bytes: int
    int8_bytes: int
    refinements: tuple[RefinementFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at export, on which images.

    :param on: ``validation`` (separate, perhaps labelled images) or ``calibration`` (optimistic).
    :param agreement: share of images on which the artifact's argmax is that of the model as it came.
    :param accuracy_float: of the float model; ``None`` without labels, and for a model that came quantized. Of the
        others without labels only.
    :param flips: share of images whose argmax the defense changed.
    :param l1_mean: mean L1 distance between defended and undefended posterior, 0..2; ``None`` without a defense.
    :param ece: expected calibration error of the artifact's answers, 0..1; ``None`` without labels.
    :param distinct_answers: how many different answers there can be; ``None`` if there is no limit but the float type.
    :param bits_per_query: the most that one answer can tell, log2 of that number.
    """

    on: Literal["validation", "calibration"]
    images: int
    agreement: float
    accuracy_float: float | None
    accuracy_undefended: float | None
    accuracy: float | None
    flips: float | None
    l1_mean: float | None
    l1_max: float | None
    ece: float | None = None
    ece_undefended: float | None = None
    distinct_answers: int | None = None
    bits_per_query: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole manifest.

    :param min_onnxruntime: the oldest ONNX Runtime that reads the model; ``None`` for one of another format.
    :param tools: name to version of everything that had a hand in the export.
    :param files: every file of the artifact but the manifest itself.
    :param lab: files of the companion ``NAME.lab/``, which is never deployed.
    :param preprocess: ``None`` when the input is not an image; then only finished input arrays are taken.
    :param labels: class names in order, or empty.
    :param min_reader: at least that of :func:`oldest_reader`.
    """

    target: str
    min_onnxruntime: str | None
    source: SourceFacts
    model: ModelFacts
    preprocess: Preprocess | None
    labels: tuple[str, ...]
    tools: dict[str, str]
    files: dict[str, FileFacts]
    lab: dict[str, FileFacts]
    calibration: CalibrationFacts | None = None
    quantization: QuantizationFacts | None = None
    defense: DefenseRecord | None = None
    measured: Measured | None = None
    warnings: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION
    min_reader: int = _OLDEST_READER["onnx"]

    def __post_init__(self) -> None:
        """Refuse what an older reader, or a newer one, would misunderstand.

        :raises Untrusted: the oldest reader is too old for the format, or the oldest ONNX Runtime does not go with it.
        """
        kind = self.model.format
        oldest = oldest_reader(kind, self.defense)
        if oldest > _OLDEST_READER["onnx"] and self.min_reader < oldest:
            raise Untrusted(
                f"this {kind} artifact takes a reader of schema version {oldest}, not {self.min_reader}",
                fix="Set min_reader to oldest_reader(format, defense)",
            )
        if (self.min_onnxruntime is None) != (kind != "onnx"):
            raise Untrusted(
                f"min_onnxruntime is {self.min_onnxruntime!r} for a model in {kind}",
                fix="Name it for onnx, and for nothing else",
            )

    @property
    def classes(self) -> int:
        """Number of classes of an answer."""
        return self.model.head.classes


def oldest_reader(kind: Format, defense: DefenseRecord | None = None) -> int:
    """The ``min_reader`` of an artifact whose model has this format and this defense."""
    gated = defense is not None and defense.gate is not None
    return max(_OLDEST_READER[kind], _OLDEST_OF_GATES if gated else 0)


@cache
def _adapter() -> TypeAdapter[Manifest]:
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)


def write_manifest(manifest: Manifest) -> bytes:
    """The manifest as the bytes of ``manifest.json``: indented, keys in the order of the types, newline at the end."""
    return _adapter().dump_json(manifest, indent=2) + b"\n"


def read_manifest(path: Path) -> Manifest:
    """Read and check a ``manifest.json``.

    :raises Untrusted: the file is missing, not JSON, of a newer format, or does not fit the schema.
    """
    from pydantic import ValidationError

    data = _read(path)
    _refuse_newer(_min_reader(data, path), path)
    try:
        manifest = _adapter().validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field_name = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Untrusted(f"{field_name}: {first['msg']}", where=str(path), fix="Export the artifact again") from None
    except EdgeguardError as error:
        # The types check their own values, and speak of options and models: here it is the manifest that is wrong.
        raise Untrusted(error.what, where=str(path), fix="Export the artifact again") from None
    _refuse_newer(manifest.min_reader, path)
    return manifest


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of ``manifest.json``, as published in ``edgeguard/schemas``."""
    from edgeguard.json_schema import json_schema

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema(_adapter(), Manifest)}


def _read(path: Path) -> bytes:
    try:
        # A device or a pipe would never end.
        if not path.is_file() or path.is_symlink():
            raise Untrusted("is missing or no plain file", where=str(path), fix="Is this an artifact?")
        if path.stat().st_size > _MOST_BYTES:
            raise Untrusted(f"is larger than {_MOST_BYTES} bytes", where=str(path), fix="Is this an artifact?")
        return path.read_bytes()
    except OSError as error:
        raise Untrusted(f"cannot be read: {error.strerror}", where=str(path), fix="Is this an artifact?") from None


def _min_reader(data: bytes, path: Path) -> object:
    """``min_reader``, read before anything else: a newer format may not fit this schema at all."""
    import json

    try:
        head = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Untrusted(f"is not JSON: {error}", where=str(path), fix="Export the artifact again") from None
    return head.get("min_reader") if isinstance(head, dict) else None


def _refuse_newer(needed: object, path: Path) -> None:
    if isinstance(needed, int | float) and needed > SCHEMA_VERSION:
        raise Untrusted(
            f"needs a reader of schema version {needed}, this one is {SCHEMA_VERSION}",
            where=str(path),
            fix="Install a newer edgeguard",
        )
