"""Writing the artifact and its lab: both appear whole or not at all, the artifact last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgeguard.artifact import LAB_FILES, MANIFEST, file_facts, lab_directory
from edgeguard.errors import OutputExists
from edgeguard.manifest import FileFacts, Manifest, write_manifest
from edgeguard.staging import check_free, staged_directory

__all__ = ["Package", "check_place", "publish"]


@dataclass(frozen=True, slots=True)
class Package:
    """What an export wrote, by file name.

    :param manifest: without the facts of the files, which :func:`publish` adds.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    lab: Mapping[str, bytes]


def publish(package: Package, output: Path, *, replace_existing: bool) -> Manifest:
    """Write lab and artifact; returns the manifest as written.

    The lab comes first: whoever finds the new artifact finds its lab too, and an interruption between the two leaves
    the old artifact, which says that the lab is not its own.

    :raises OutputExists: the artifact exists and may not be replaced, or what stands there is not ours.
    """
    check_place(output, replace_existing=replace_existing)
    with staged_directory(output, replace_existing=replace_existing) as artifact:
        # A lab is a by-product: one without its artifact is in nobody's way.
        with staged_directory(lab_directory(output), replace_existing=True) as lab:
            lab_facts = _write_all(lab, package.lab)
        manifest = replace(package.manifest, files=_write_all(artifact, package.files), lab=lab_facts)
        (artifact / MANIFEST).write_bytes(write_manifest(manifest))
    return manifest


def check_place(output: Path, *, replace_existing: bool) -> None:
    """Refuse early what :func:`publish` would refuse, before minutes of work.

    Even ``--force`` replaces only what an export wrote: a typing error in ``-o`` must not cost a directory of photos.

    :raises OutputExists: the artifact exists and may not be replaced, or what stands there is not ours.
    :raises UsageError: the parent directory does not exist.
    """
    check_free(output, replace_existing=replace_existing)
    lab = lab_directory(output)
    check_free(lab, replace_existing=True)
    present = _names(output)
    if present and MANIFEST not in present:
        raise OutputExists("is a directory, but no artifact", where=str(output), fix="Choose another -o")
    foreign = sorted(_names(lab) - LAB_FILES)
    if foreign:
        raise OutputExists(
            f"is where the lab goes, but holds {foreign[0]!r}, which no export wrote",
            where=str(lab),
            fix="Move it away, or choose another -o",
        )


def _names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()


def _write_all(directory: Path, files: Mapping[str, bytes]) -> dict[str, FileFacts]:
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return {name: file_facts(directory / name) for name in sorted(files)}
