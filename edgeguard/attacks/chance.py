"""How often a random key matches a suspect's runner-up classes, the suspect being what it is.

With ``counts[c, r]`` the queries whose largest answer is c and second largest r, a key's statistic is
T = sum over levels l and classes c of ``counts[c, D_l(c)]``, and the p-value of an observed T is the probability that
the D_l of a random key, independent uniform derangements, give at least as much. To a suspect that never saw answers
under the owner's key, that key is one more random key, whatever the suspect confuses with what: so p <= a has a
probability of at most a, for every a. That is a permutation test (Fisher, The Design of Experiments, 1935); nothing is
assumed about suspect or queries but that neither depends on the key.

- Few classes: all derangements are enumerated, and the levels' sums convolved. All terms are positive, so that the
  smallest p has the relative accuracy of a float; a Fourier transform would lose it below 1e-16.
- Many classes: N keys are drawn, and p = (1 + #{T' >= T}) / (1 + N). The observed key and the N drawn ones are
  exchangeable under independence, so the rank of the observed is uniform but for ties, and p valid for every N
  (Besag and Clifford, Biometrika 76, 1989; Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010, on why the 1 must
  be added).
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

import numpy as np

__all__ = ["ENUMERATED_CLASSES", "Chance", "Drawn", "Enumerated", "chance", "derangement_count", "total_matches"]

Array = np.ndarray[Any, Any]

# !10 = 1,334,961 derangements take 13 MB; !11 are eleven times as many.
ENUMERATED_CLASSES = 10
# Convolving takes time with the square of it; ranges of sums beyond it are binned, upwards.
_MOST_BINS = 1 << 15
# Elements of permutations drawn at once: bounds memory, whatever the number of classes.
_BLOCK_ELEMENTS = 1 << 21


class Chance(Protocol):
    """The distribution of T over random keys."""

    @property
    def method(self) -> str:
        """``enumeration`` or ``draws``."""

    @property
    def smallest(self) -> float:
        """No p-value can be smaller, whatever the suspect answers."""

    def p_value(self, matches: int) -> float:
        """The probability that a random key matches at least so often."""


def chance(counts: Array, levels: int, *, draws: int, seed: int) -> Chance:
    """The distribution by the method that the number of classes allows.

    :param counts: int64 ``[classes, classes]``, at least two classes, nothing on the diagonal.
    :param levels: derangements of a key, at least 1.
    :param draws: N, where keys are drawn.
    :param seed: of the drawing; the same draws only with the same numpy.
    """
    if len(counts) <= ENUMERATED_CLASSES:
        return Enumerated(counts, levels)
    return Drawn(counts, levels, draws=draws, rng=np.random.default_rng(seed))


def total_matches(counts: Array, decoys: Array) -> int:
    """T: the queries whose runner-up is a decoy of their class; twice those where two levels have the same decoy.

    :param counts: int64 ``[classes, classes]``.
    :param decoys: int64 ``[levels, classes]``.
    """
    return int(counts[np.arange(len(counts)), decoys].sum())


def derangement_count(classes: int) -> int:
    """How many derangements there are, by !n = n !(n-1) + (-1)^n."""
    count = 1
    for n in range(1, classes + 1):
        count = n * count + (-1) ** n
    return count


class Enumerated:
    """All keys there can be; see :func:`chance`.

    The levels are split in two halves, A and B, and P(A + B >= k) = sum over i of P(A = i) P(B >= k - i).
    """

    method = "enumeration"

    def __init__(self, counts: Array, levels: int) -> None:
        sums = _sums(counts, _all_derangements(len(counts)))
        self._lowest = levels * int(sums.min())
        spread = int(sums.max()) - int(sums.min())
        # Rounding sums up makes p larger, never smaller: it stays valid.
        self._width = 1 + spread // _MOST_BINS
        bins = -((int(sums.min()) - sums) // self._width)
        one = np.bincount(bins) / len(sums)
        self._half = _power(one, levels // 2)
        other = np.convolve(self._half, one) if levels % 2 else self._half
        self._tail = np.append(np.cumsum(other[::-1])[::-1], 0.0)
        self.smallest = derangement_count(len(counts)) ** -float(levels)

    def p_value(self, matches: int) -> float:
        """The probability that a random key matches at least so often: exact; a little above where sums are binned."""
        needed = -((self._lowest - matches) // self._width)
        rest = np.clip(needed - np.arange(len(self._half)), 0, len(self._tail) - 1)
        # Summed by numpy in pairs: more exact than BLAS, which would start threads for it.
        return min(1.0, float((self._half * self._tail[rest]).sum()))


class Drawn:
    """N keys drawn at random; see :func:`chance`."""

    method = "draws"

    def __init__(self, counts: Array, levels: int, *, draws: int, rng: np.random.Generator) -> None:
        totals = np.zeros(draws, np.int64)
        for _ in range(levels):
            totals += _drawn_sums(counts, draws, rng)
        self._totals = np.sort(totals)
        self.smallest = 1 / (1 + draws)

    def p_value(self, matches: int) -> float:
        """The share of keys that match at least so often, the observed one counted among them."""
        at_least = len(self._totals) - int(np.searchsorted(self._totals, matches))
        return (1 + at_least) / (1 + len(self._totals))


def _power(distribution: Array, times: int) -> Array:
    """The distribution of the sum of so many independent ones, on 0, 1, 2, ..."""
    found = np.ones(1)
    for _ in range(times):
        found = np.convolve(found, distribution)
    return found


def _sums(counts: Array, derangements: Array) -> Array:
    """The sum over classes of ``counts[c, D(c)]``, int64 ``[n]``, of derangements ``[classes, n]``."""
    total = np.zeros(derangements.shape[1], np.int64)
    for row, images in zip(counts, derangements, strict=True):
        if row.any():
            total += row[images]
    return total


@functools.cache
def _all_derangements(classes: int) -> Array:
    """Every derangement, a column each: uint8 ``[classes, !classes]``, built class by class."""
    columns = np.zeros((0, 1), np.uint8)
    used = np.zeros(1, np.int32)
    for place in range(classes):
        free = {image: np.flatnonzero((used >> image) & 1 == 0) for image in range(classes) if image != place}
        chosen = np.concatenate(list(free.values()))
        images = np.repeat(list(free), [len(found) for found in free.values()]).astype(np.uint8)
        columns = np.vstack([columns[:, chosen], images])
        used = used[chosen] | (1 << images.astype(np.int32))
    return columns


def _drawn_sums(counts: Array, number: int, rng: np.random.Generator) -> Array:
    """The sums of so many uniform derangements, int64 ``[number]``."""
    classes = len(counts)
    identity = np.arange(classes, dtype=np.int32)
    block = np.tile(identity, (max(1, _BLOCK_ELEMENTS // classes), 1))
    found = np.empty(number, np.int64)
    done = 0
    while done < number:
        shuffled = rng.permuted(block, axis=1)
        moved = shuffled[(shuffled != identity).all(axis=1)][: number - done]
        found[done : done + len(moved)] = counts[identity, moved].sum(axis=1)
        done += len(moved)
    return found
