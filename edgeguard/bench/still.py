"""``python -m edgeguard.bench.still``: the worker with nothing left to luck, for counting.

Where the kernel puts a process in memory, and where Python's dictionaries collide, is random; it moves the instructions
of a small network by half a percent. With both fixed they repeat to the last one. Times are taken without this: there,
the luck of many processes is what makes an interval honest.
"""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ["main"]

_ASK = 0xFFFFFFFF
_ADDR_NO_RANDOMIZE = 0x0040000  # linux/personality.h


def main() -> None:
    """Become the worker. Where a sandbox forbids fixed addresses, counts only repeat less well."""
    library = ctypes.CDLL(None)
    personality = library.personality(ctypes.c_ulong(_ASK))
    if personality != -1:
        library.personality(ctypes.c_ulong(personality | _ADDR_NO_RANDOMIZE))
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    os.execve(sys.executable, [sys.executable, "-P", "-m", "edgeguard.bench.worker"], environment)


if __name__ == "__main__":
    main()
