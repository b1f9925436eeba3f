"""Counting instructions of models on a device that has edgeguard's environment."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgeguard.bench.messages import CountAnswer, CountRequest, from_json, to_json
from edgeguard.bench.subject import Subject
from edgeguard.fleet.transport import Transport
from edgeguard.fleet.workspace import run_in_workspace
from edgeguard.manifest import Format

__all__ = ["count_instructions"]

Array = np.ndarray[Any, Any]

_WARMUP = 3
_TIMEOUT_S = 1800.0
# The worker reads its request from stdin, which a workspace does not pass on.
_PROGRAM = "import sys; sys.stdin = open('request.json'); from edgeguard.bench.worker import main; main()"


def count_instructions(
    transport: Transport,
    directory: str,
    models: Mapping[str, bytes],
    inputs: Array,
    rounds: int,
    kind: Format = "onnx",
) -> dict[str, float]:
    """Median instructions of one run of each model, what counting itself takes not included.

    :param directory: edgeguard's on the device.
    :param models: files of one format by name.
    :param inputs: finished inputs, float32 ``[n, *shape]``, run one at a time, on one thread.
    :param rounds: counted runs of each model, in turn.
    """
    subjects = tuple(
        Subject(name, f"{number}.{kind}", "session", "inputs.npy", format=kind) for number, name in enumerate(models)
    )
    request = CountRequest(subjects, (tuple(models),) * rounds, ("instructions",), _WARMUP, 1)
    content: dict[str, Path | bytes] = {
        "request.json": to_json(request).encode(),
        "inputs.npy": _npy(inputs[:, None]),
        **{subject.path: models[subject.name] for subject in subjects},
    }
    ran = run_in_workspace(transport, directory, content, ["-P", "-c", _PROGRAM], timeout=_TIMEOUT_S)
    found = from_json(ran.stdout)
    assert isinstance(found, CountAnswer), ran
    if "instructions" in found.refused:
        raise RuntimeError(f"no instructions are counted there: {found.refused['instructions']}")
    overhead = found.overhead["instructions"]
    return {name: median(values) - overhead for name, values in found.counts["instructions"].items()}


def _npy(values: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()
