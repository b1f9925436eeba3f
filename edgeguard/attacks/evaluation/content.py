"""Digests of what lies in files, wherever they lie."""

from __future__ import annotations

from pathlib import Path

from edgeguard.attacks.evaluation.grid import Source
from edgeguard.digests import file_digest, json_digest
from edgeguard.errors import BadData
from edgeguard.images import IMAGE_SUFFIXES

__all__ = ["SourceReader", "content_digest"]


def content_digest(path: Path) -> str:
    """Hex SHA-256 of a file, or of the images of a folder and their names below it.

    :raises BadData: there is no such file or folder, or it cannot be read.
    """
    try:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
            return json_digest([[file.relative_to(path).as_posix(), file_digest(file)] for file in files])
        return file_digest(path)
    except FileNotFoundError:
        raise BadData("there is no such file or folder", where=str(path)) from None
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", where=str(path)) from None


class SourceReader:
    """Sources by their paths; each file is read once.

    :param base: where relative paths begin.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._seen: dict[Path, Source] = {}

    def __call__(self, text: str) -> Source:
        """The source at a path.

        :raises BadData: see :func:`content_digest`.
        """
        # Workers have working directories of their own.
        path = (self._base / text).absolute()
        if path not in self._seen:
            self._seen[path] = Source(path, content_digest(path))
        return self._seen[path]
