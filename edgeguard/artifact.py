"""The artifact on disk: one model, its manifest and its goldens, each file accounted for by digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeguard.digests import file_digest
from edgeguard.errors import Untrusted, UsageError
from edgeguard.manifest import FileFacts, Manifest, read_manifest

__all__ = [
    "GOLDEN",
    "LAB_FILES",
    "LAB_FLOAT",
    "LAB_INT8",
    "LAB_TABLE",
    "MANIFEST",
    "Artifact",
    "file_facts",
    "lab_directory",
    "lab_float",
    "lab_int8",
    "open_artifact",
]

MANIFEST = "manifest.json"
GOLDEN = "golden.npz"
LAB_TABLE = "calibration.json"
_FORMATS = ("onnx", "tflite")
_AGAIN = "Deploy the artifact again"


def lab_float(kind: str) -> str:
    """Name of the float network in the lab of an artifact whose model has this format."""
    return f"float.{kind}"


def lab_int8(kind: str) -> str:
    """Name of the int8 network without a defense in the lab of an artifact whose model has this format."""
    return f"int8.{kind}"


LAB_FLOAT = lab_float("onnx")
LAB_INT8 = lab_int8("onnx")
# What may lie in a lab: an artifact may replace one of another format.
LAB_FILES = frozenset((LAB_TABLE, *map(lab_float, _FORMATS), *map(lab_int8, _FORMATS)))


@dataclass(frozen=True, slots=True)
class Artifact:
    """An opened artifact, its files verified against the manifest."""

    path: Path
    manifest: Manifest

    @property
    def model_path(self) -> Path:
        """The model file."""
        return self.path / self.manifest.model.file

    @property
    def golden_path(self) -> Path:
        """Inputs and their expected answers."""
        return self.path / GOLDEN

    def lab_file(self, name: str) -> Path:
        """A file of the companion lab, verified.

        :raises UsageError: there is no lab, or this export wrote no such file.
        :raises Untrusted: the lab belongs to another export.
        """
        lab = lab_directory(self.path)
        if name not in self.manifest.lab or not lab.is_dir():
            raise UsageError(
                f"the lab has no {name}", where=str(lab), fix="Export again; the lab is written beside the artifact"
            )
        _verify_file(lab / name, self.manifest.lab[name])
        return lab / name


def open_artifact(path: Path) -> Artifact:
    """Open an artifact and verify every file's digest.

    :raises UsageError: there is no directory at ``path``.
    :raises Untrusted: a file is missing, surplus, or differs from the manifest.
    """
    if not path.is_dir():
        raise UsageError("is not an artifact: no such directory", where=str(path))
    manifest = read_manifest(path / MANIFEST)
    for name in manifest.files:
        _refuse_path(name, path)
    if manifest.model.file not in manifest.files:
        raise Untrusted(f"the model {manifest.model.file!r} is not among its files", where=str(path / MANIFEST))
    try:
        present = {entry.name for entry in path.iterdir()} - {MANIFEST}
        for surplus in sorted(present - set(manifest.files)):
            raise Untrusted("does not belong to this artifact", where=str(path / surplus), fix=_AGAIN)
        for name, facts in manifest.files.items():
            _verify_file(path / name, facts)
    except OSError as error:
        raise Untrusted(f"cannot be read: {error.strerror}", where=error.filename or str(path), fix=_AGAIN) from None
    return Artifact(path, manifest)


def lab_directory(artifact: Path) -> Path:
    """The companion of an artifact: ``NAME.lab`` for ``NAME.edgeguard``."""
    stem = artifact.name.removesuffix(".edgeguard")
    return artifact.with_name(f"{stem}.lab")


def file_facts(path: Path) -> FileFacts:
    """Digest and size of a file."""
    return FileFacts(file_digest(path), path.stat().st_size)


def _refuse_path(name: str, artifact: Path) -> None:
    """A manifest may name files beside itself, and nothing that a file system could read as more than a name."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise Untrusted(f"file name {name!r} is not a plain name", where=str(artifact / MANIFEST), fix=_AGAIN)


def _verify_file(path: Path, facts: FileFacts) -> None:
    if path.is_symlink() or not path.is_file():
        raise Untrusted("is missing or no plain file", where=str(path), fix=_AGAIN)
    # The size first: whoever appended a gigabyte need not have it hashed.
    if path.stat().st_size != facts.size or file_facts(path) != facts:
        raise Untrusted("differs from what the manifest records", where=str(path), fix=_AGAIN)
