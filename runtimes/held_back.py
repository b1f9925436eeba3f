"""Keeping lines that a native library always prints out of what a command tells its user."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["held_back"]

# There is one standard error: two threads that exchanged it at once would not put the right one back.
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def held_back(*lines: bytes) -> Iterator[None]:
    """What is written to standard error meanwhile comes afterwards, without these lines.

    For libraries that offer no switch, and for the moment of the call only: should they end the process, what they said
    last is lost.

    :param lines: whole ones, without their ends.
    """
    with _ONE_AT_A_TIME:
        try:
            before = os.dup(2)
        except OSError:  # it is closed: nobody hears them
            yield
            return
        held = os.memfd_create("held_back")
        os.dup2(held, 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            with open(held, "rb") as said:
                said.seek(0)
                for line in said:
                    if line.rstrip(b"\r\n") not in lines:
                        os.write(2, line)
