"""In a worker: which engine and which of its kernels run a subject, which for LiteRT only a loaded model tells."""

from __future__ import annotations

from pathlib import Path

from edgeguard.bench.messages import DescribeAnswer, DescribeRequest, EngineFacts

__all__ = ["describe"]


def describe(request: DescribeRequest) -> DescribeAnswer:
    """Load TFLite models as they will be timed, and look at what came of it.

    :raises EdgeguardError: one cannot be loaded.
    """
    from edgeguard.runtimes.litert_session import litert_engine, open_litert

    _, engine, version = litert_engine()
    found = {path: open_litert(Path(path), threads=request.threads).kernels for path in request.models}
    return DescribeAnswer(tuple(EngineFacts(path, engine, version, kernels) for path, kernels in found.items()))
