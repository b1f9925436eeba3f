"""Random integers from seed bytes, the same ones for ever.

What a key once chose must be found again years later, by another version of everything: numpy promises no such thing of
its generators' streams (NEP 19), and neither does Python of ``random``. So the bytes are those of SHAKE-256 over the
seed (FIPS 202), and each step from bytes to integers is written down here.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

__all__ = ["KeyStream"]

Array = np.ndarray[Any, Any]

_WORD = 8
_WORDS = 1 << 64
_FIRST_BYTES = 4096


class KeyStream:
    """A stream of integers: the output of SHAKE-256 over the seed, read as little-endian words of 64 bits.

    Every method goes on where the last one stopped, and one call for several integers takes the same words as several
    calls for one.

    :param seed: any bytes; equal seeds give equal streams.
    """

    def __init__(self, seed: bytes) -> None:
        self._hash = hashlib.shake_256(seed)
        self._bytes = b""
        self._position = 0

    def integers(self, bound: int, count: int) -> Array:
        """Independent integers, uniform on ``[0, bound)``, int64 ``[count]``.

        A word from the last, incomplete run of ``bound`` values below 2^64 is passed over: the remainders of all
        others are exactly uniform.

        :param bound: 1 to 2^63.
        :raises ValueError: it is not, or ``count`` is negative.
        """
        if not 1 <= bound <= 1 << 63 or count < 0:
            raise ValueError(f"no {count} integers below {bound} can be drawn")
        last = np.uint64(_last_accepted(bound))
        found = np.empty(0, np.uint64)
        while len(found) < count:
            words = np.frombuffer(self._take(_WORD * (count - len(found))), "<u8")
            found = np.concatenate([found, words[words <= last]])
        return (found % np.uint64(bound)).astype(np.int64)

    def permutation(self, n: int) -> Array:
        """A uniform permutation of ``0 ... n-1``, int64 ``[n]``.

        Fisher and Yates' shuffle as Durstenfeld wrote it (CACM 1964, algorithm 235), from the last place down.

        :raises ValueError: ``n`` is negative.
        """
        if n < 0:
            raise ValueError(f"nothing has {n} elements")
        order = list(range(n))
        for place in range(n - 1, 0, -1):
            other = self._below(place + 1)
            order[place], order[other] = order[other], order[place]
        return np.array(order, np.int64)

    def derangement(self, n: int) -> Array:
        """A uniform permutation of ``0 ... n-1`` that leaves nothing in its place, int64 ``[n]``.

        Whole permutations are drawn until one moves everything, e = 2.7 of them on average.

        :raises ValueError: ``n`` is below 2, so that there is none.
        """
        if n < 2:
            raise ValueError(f"{n} elements have no derangement")
        places = np.arange(n)
        while True:
            found = self.permutation(n)
            if not (found == places).any():
                return found

    def _below(self, bound: int) -> int:
        """One integer of :meth:`integers`, without numpy's cost for a single one."""
        last = _last_accepted(bound)
        while True:
            word = int.from_bytes(self._take(_WORD), "little")
            if word <= last:
                return word % bound

    def _take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._bytes):
            # hashlib cannot go on where a digest ended: longer ones begin with the shorter ones.
            self._bytes = self._hash.digest(max(_FIRST_BYTES, 2 * end))
        taken = self._bytes[self._position : end]
        self._position = end
        return taken


def _last_accepted(bound: int) -> int:
    return _WORDS - _WORDS % bound - 1
