"""How often a random key matches what a suspect ranks high, the suspect being what it is.

With ``table[c, r]`` what class r counts among the answers whose largest is c, a key's statistic is T = sum over levels
l and classes c of ``table[c, D_l(c)]``, and the p-value of an observed T is the probability that the D_l of a random
key, independent uniform derangements, give at least as much. To a suspect that never saw answers under the owner's key,
that key is one more random key, whatever the suspect confuses with what: so p <= a has a probability of at most a, for
every a. That is a permutation test (Fisher, The Design of Experiments, 1935); nothing is assumed about suspect or
queries but that neither depends on the key.

Only the key is random, so that any table made of the answers alone is valid; which one finds keys is another question,
see :mod:`edgeguard.attacks.ranks`. What a whole row or a whole column has in common falls out of the comparison, as
every derangement takes each row and each column once.

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

__all__ = [
    "ENUMERATED_CLASSES",
    "Chance",
    "Drawn",
    "Enumerated",
    "chance",
    "derangement_count",
    "total_score",
]

Array = np.ndarray[Any, Any]

# !10 = 1,334,961 derangements take 13 MB; !11 are eleven times as many.
ENUMERATED_CLASSES = 10
# Convolving takes time with the square of it; ranges of sums beyond it are binned, upwards.
_MOST_BINS = 1 << 15
# Elements of permutations drawn at once: bounds memory, whatever the number of classes, and fits a cache.
_BLOCK_ELEMENTS = 1 << 18
# Up to so many classes an eighth of the permutations, at most, are lost to ties of what 32 bits leave to chance.
_MOST_CLASSES_OF_32_BITS = 1024


class Chance(Protocol):
    """The distribution of T over random keys."""

    @property
    def method(self) -> str:
        """``enumeration`` or ``draws``."""

    @property
    def smallest(self) -> float:
        """No p-value can be smaller, whatever the suspect answers."""

    @property
    def attainable(self) -> float:
        """No key's p-value can be smaller for the answers that there are."""

    def p_value(self, score: int) -> float:
        """The probability that a random key's T is at least this."""


def chance(table: Array, levels: int, *, draws: int, seed: int) -> Chance:
    """The distribution by the method that the number of classes allows.

    :param table: int64 ``[classes, classes]``; not negative, at least two classes, nothing on the diagonal.
    :param levels: derangements of a key, at least 1.
    :param draws: N, where keys are drawn.
    :param seed: of the drawing; the same draws only with the same numpy.
    """
    if len(table) <= ENUMERATED_CLASSES:
        return Enumerated(table, levels)
    return Drawn(table, levels, draws=draws, rng=np.random.default_rng(seed))


def total_score(table: Array, decoys: Array) -> int:
    """T: what the decoys count; twice where two levels have the same decoy.

    :param table: int64 ``[classes, classes]``.
    :param decoys: int64 ``[levels, classes]``.
    """
    return int(table[np.arange(len(table)), decoys].sum())


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

    def __init__(self, table: Array, levels: int) -> None:
        sums = _sums(table, _all_derangements(len(table)))
        self._lowest = levels * int(sums.min())
        spread = int(sums.max()) - int(sums.min())
        # Rounding sums up makes p larger, never smaller: it stays valid.
        self._width = 1 + spread // _MOST_BINS
        bins = -((int(sums.min()) - sums) // self._width)
        one = np.bincount(bins) / len(sums)
        self._half = _power(one, levels // 2)
        other = np.convolve(self._half, one) if levels % 2 else self._half
        self._tail = np.append(np.cumsum(other[::-1])[::-1], 0.0)
        self.smallest = derangement_count(len(table)) ** -float(levels)
        self.attainable = max(self.smallest, self.p_value(levels * int(sums.max())))

    def p_value(self, score: int) -> float:
        """The probability that a random key's T is at least this: exact; a little above where sums are binned."""
        needed = -((self._lowest - score) // self._width)
        rest = np.clip(needed - np.arange(len(self._half)), 0, len(self._tail) - 1)
        # Summed by numpy in pairs: more exact than BLAS, which would start threads for it.
        return min(1.0, float((self._half * self._tail[rest]).sum()))


class Drawn:
    """N keys drawn at random; see :func:`chance`."""

    method = "draws"

    def __init__(self, table: Array, levels: int, *, draws: int, rng: np.random.Generator) -> None:
        totals = np.zeros(draws, np.int64)
        for _ in range(levels):
            totals += _drawn_sums(table, draws, rng)
        self._totals = np.sort(totals)
        self.smallest = 1 / (1 + draws)
        # No derangement has more than the largest of each row, nor than that of each column.
        self.attainable = self.p_value(levels * min(int(table.max(axis=axis).sum()) for axis in (0, 1)))

    def p_value(self, score: int) -> float:
        """The share of keys whose T is at least this, the observed one counted among them."""
        at_least = len(self._totals) - int(np.searchsorted(self._totals, score))
        return (1 + at_least) / (1 + len(self._totals))


def _power(distribution: Array, times: int) -> Array:
    """The distribution of the sum of so many independent ones, on 0, 1, 2, ..."""
    found = np.ones(1)
    for _ in range(times):
        found = np.convolve(found, distribution)
    return found


def _sums(table: Array, derangements: Array) -> Array:
    """The sum over classes of ``table[c, D(c)]``, int64 ``[n]``, of derangements ``[classes, n]``."""
    total = np.zeros(derangements.shape[1], np.int64)
    for row, images in zip(table, derangements, strict=True):
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


def _drawn_sums(table: Array, number: int, rng: np.random.Generator) -> Array:
    """The sums of so many uniform derangements, int64 ``[number]``."""
    classes = len(table)
    # The narrower, the more of it is in a cache.
    flat = table.astype(np.min_scalar_type(int(table.max()))).ravel()
    starts = np.arange(classes) * classes
    found = np.empty(number, np.int64)
    done = 0
    while done < number:
        moved = _some_derangements(classes, rng)[: number - done]
        found[done : done + len(moved)] = flat[moved + starts].sum(axis=1, dtype=np.int64)
        done += len(moved)
    return found


def _some_derangements(classes: int, rng: np.random.Generator) -> Array:
    """A block of independent uniform derangements, as many as turn up: ``[n, classes]``, n may be 0.

    Each class is the low bits of a random number, and the numbers are sorted: several times faster than shuffling.
    Permutations with a tie in the high bits are dropped, and without one all orders are equally likely.
    """
    kind = np.uint32 if classes <= _MOST_CLASSES_OF_32_BITS else np.uint64
    low: Array = np.array((1 << (classes - 1).bit_length()) - 1, kind)
    identity: Array = np.arange(classes, dtype=kind)
    shape = (max(1, _BLOCK_ELEMENTS // classes), classes)
    ordered: Array = rng.integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)
    ordered &= ~low
    ordered |= identity
    ordered.sort(axis=1)
    images = ordered & low
    moves = (images != identity).all(axis=1)
    high = ordered[moves] & ~low
    found: Array = images[moves][(high[:, 1:] != high[:, :-1]).all(axis=1)].astype(np.int64)
    return found
