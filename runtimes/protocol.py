"""What every runtime can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from edgeguard.manifest import Manifest

__all__ = ["Runtime"]

Array = np.ndarray[Any, Any]


class Runtime(Protocol):
    """A loaded artifact. Whatever the placement of the defense, only answers leave it, never raw logits."""

    @property
    def manifest(self) -> Manifest:
        """What is loaded."""

    @property
    def facts(self) -> dict[str, str]:
        """Name and version of the engine, its threads and what else a result should record."""

    def predict(self, images: Sequence[Array] | Array) -> Array:
        """Answers, float32 ``[len(images), classes]``, to uint8 images of any size (RGB or grey).

        :raises BadData: an image is unusable, or the artifact's input is not an image.
        """

    def answer(self, inputs: Array) -> Array:
        """Answers, float32 ``[batch, classes]``, to finished inputs: float32 ``[batch, *input_shape]``.

        :raises BadData: wrong shape or dtype.
        """
