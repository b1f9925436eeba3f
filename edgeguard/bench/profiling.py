"""In a worker: which operators the time goes to, by ONNX Runtime's own profiler."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

import numpy as np

from edgeguard.bench.demand_messages import Node, ProfileAnswer, ProfileRequest
from edgeguard.errors import UsageError

__all__ = ["measure_profile", "nodes_of", "refuse_profile"]

_SUFFIX = "_kernel_time"


def measure_profile(request: ProfileRequest) -> ProfileAnswer:
    """Run the subject's model with the profiler on; what it writes is read and removed.

    A defense on the host runs outside of the model and is in no profile.

    :raises EdgeguardError: the model cannot be loaded.
    :raises UsageError: it is none of ONNX Runtime's.
    """
    if request.subject.format != "onnx":
        refuse_profile(request.subject.format)
    from edgeguard.runtimes.ort_session import open_session

    inputs = np.load(request.subject.inputs, allow_pickle=False)
    with tempfile.TemporaryDirectory(prefix="edgeguard-profile-") as scratch:
        session = open_session(
            Path(request.subject.path), threads=request.threads, spinning=True, profile=Path(scratch, "profile")
        )
        name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
        for index in range(request.warmup + request.runs):
            session.run(outputs, {name: np.ascontiguousarray(inputs[index % len(inputs)])})
        events = json.loads(Path(session.end_profiling()).read_bytes())
    return ProfileAnswer(nodes_of(events, request.warmup))


def refuse_profile(model_format: str) -> NoReturn:
    """Say that only ONNX Runtime times operators.

    :raises UsageError: always.
    """
    raise UsageError(
        f"operators are timed by ONNX Runtime's profiler, and a {model_format} model runs in LiteRT, whose Python "
        "package has none",
        where="--profile",
        fix="Leave it out, or profile the onnx artifact of the same network",
    )


def nodes_of(events: Iterable[dict[str, Any]], warmup: int) -> tuple[Node, ...]:
    """Nodes from the events of a profile (Chrome's trace format, durations in whole microseconds).

    :param warmup: runs at the beginning that are left out.
    """
    durations: dict[tuple[str, str], list[int]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            key = event["name"].removesuffix(_SUFFIX), event["args"]["op_name"]
            durations.setdefault(key, []).append(event["dur"])
    kept = {key: values[warmup:] for key, values in durations.items()}
    total = sum(sum(values) for values in kept.values()) or 1
    return tuple(
        Node(name, op, float(median(values)), sum(values) / total) for (name, op), values in kept.items() if values
    )
