"""Reading a file to compare, whichever of the known programs wrote it."""

from __future__ import annotations

import json
from pathlib import Path

from edgeguard.bench.compare_recording import Recording
from edgeguard.bench.compare_result import record_result
from edgeguard.bench.pyperf_read import read_pyperf
from edgeguard.bench.result import read_result
from edgeguard.errors import BadData

__all__ = ["read_recording"]


def read_recording(path: Path) -> Recording:
    """Read a ``result.json`` of edgeguard or the JSON of pyperf, told apart by what is in it.

    :raises BadData: it is neither, or is damaged.
    :raises InvalidMeasurement: its own verdict is that it cannot be trusted.
    """
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, RecursionError):
        raise BadData("is not JSON", where=str(path), fix="Name a result of edgeguard bench or of pyperf") from None
    if isinstance(data, dict) and "benchmarks" in data:
        return read_pyperf(path)
    return record_result(read_result(path), str(path))
