"""Which class is whose decoy: the secret choices of the defense ``decoy``, and what ``edgeguard trace`` looks for."""

from __future__ import annotations

import numpy as np

from edgeguard.keys import MasterKey

__all__ = ["attractors", "derangements"]


def derangements(key: MasterKey, classes: int, levels: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """The decoy of each class at each level of confidence, int64 ``[levels, classes]``.

    Row l is a derangement: no class is its own decoy, and each is the decoy of exactly one other. The rows are
    independent, and a row does not depend on how many there are.

    :param classes: at least 2.
    :raises ValueError: it is less.
    :raises MissingExtra: the package ``cryptography`` is not installed.
    """
    found = np.empty((levels, classes), np.int64)
    for level in range(levels):
        found[level] = key.stream("derangement", classes, level).derangement(classes)
    return found


def attractors(key: MasterKey, classes: int) -> tuple[int, int]:
    """The one decoy that all classes share, and another class that is the decoy of that one.

    :param classes: at least 2.
    :raises ValueError: it is less.
    :raises MissingExtra: the package ``cryptography`` is not installed.
    """
    if classes < 2:
        raise ValueError(f"{classes} classes have no two attractors")
    first, second = key.stream("attractor", classes).permutation(classes)[:2]
    return int(first), int(second)
