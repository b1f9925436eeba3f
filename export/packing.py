"""Writing the artifact and its lab: both appear whole or not at all, the artifact last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgeguard.artifact import MANIFEST, file_facts, lab_directory
from edgeguard.manifest import FileFacts, Manifest, write_manifest
from edgeguard.staging import staged_directory

__all__ = ["Package", "publish"]


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

    :raises OutputExists: the artifact exists and may not be replaced.
    """
    with staged_directory(output, replace_existing=replace_existing) as artifact:
        # A lab is a by-product: one without its artifact is in nobody's way.
        with staged_directory(lab_directory(output), replace_existing=True) as lab:
            lab_facts = _write_all(lab, package.lab)
        manifest = replace(package.manifest, files=_write_all(artifact, package.files), lab=lab_facts)
        (artifact / MANIFEST).write_bytes(write_manifest(manifest))
    return manifest


def _write_all(directory: Path, files: Mapping[str, bytes]) -> dict[str, FileFacts]:
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return {name: file_facts(directory / name) for name in sorted(files)}
