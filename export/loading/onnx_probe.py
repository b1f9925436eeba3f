"""Trying an ONNX file in a child process, as is done with ``.tflite`` files.

Native code parses, converts, folds and runs it there: a division of the smallest integer by -1 kills ONNX Runtime and
the process with it, shapes that are computed can ask for any amount of memory, and constants can be folded for hours.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

from edgeguard import errors
from edgeguard.errors import BadModel, EdgeguardError, UnsafeFile
from edgeguard.export.loading.base import Accepts, LoadRequest

__all__ = ["main", "probe_onnx"]

SECONDS = 60
# What the libraries themselves and a small network need, and how often a network is copied at most.
_BASE_BYTES = 4 << 30
_COPIES = 8
_CHILD = "import sys; from edgeguard.export.loading.onnx_probe import main; main(*sys.argv[1:])"


def probe_onnx(request: LoadRequest, size: int) -> None:
    """Load a file and answer once, elsewhere.

    :param size: bytes of the file and its external data.
    :raises EdgeguardError: what loading it there raised.
    :raises UnsafeFile: it kills the process, hangs, or needs too much memory.
    """
    shape = ",".join(map(str, request.input_shape or ()))
    limit = _BASE_BYTES + _COPIES * size
    # -P: a file called onnx.py in the current directory is not onnx.
    command = [sys.executable, "-P", "-c", _CHILD, str(request.path), shape, str(limit), str(SECONDS)]
    command.append(request.accepts)
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UnsafeFile(
            f"takes more than {SECONDS} s to load and answer once", fix="Is it a network for a device at all?"
        ) from None
    if child.returncode < 0:
        raise UnsafeFile(f"it kills the process that runs it ({signal.Signals(-child.returncode).name})")
    try:
        answer = json.loads(child.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        told = child.stderr.strip().splitlines()
        raise BadModel(f"cannot be examined: {told[-1] if told else 'no reason given'}") from None
    if answer is not None:
        kind, what, where, fix = answer
        raise getattr(errors, kind)(what, where=where, fix=fix)


def main(path: str, shape: str, limit: str, seconds: str, accepts: Accepts) -> None:
    """The child: prints ``null``, or the error as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))
    # Even if nobody is left to stop it.
    resource.setrlimit(resource.RLIMIT_CPU, (2 * int(seconds), 2 * int(seconds)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        dimensions = tuple(map(int, shape.split(","))) if shape else None
        _try(LoadRequest(Path(path), input_shape=dimensions, accepts=accepts))
    except EdgeguardError as error:
        print(json.dumps([type(error).__name__, error.what, error.where, error.fix]))
    except MemoryError:
        print(json.dumps(["UnsafeFile", f"needs more than {int(limit) >> 20:,} MiB of memory", None, None]))
    else:
        print("null")


def _try(request: LoadRequest) -> None:
    import numpy as np

    from edgeguard.export.head import find_head
    from edgeguard.export.loading.onnx_file import read_onnx
    from edgeguard.export.passes.base import run_passes
    from edgeguard.export.passes.opset import Lift, Opset
    from edgeguard.runtimes.ort_session import open_session, run_session
    from edgeguard.targets import DEFAULT_TARGET, find_target

    loaded = read_onnx(request)
    try:
        find_head(loaded.model)
    except BadModel:
        return  # whoever wants a classifier will say so; nothing is run then
    target = find_target(DEFAULT_TARGET)
    model = run_passes(loaded.model, [Opset(target) if request.accepts == "float" else Lift(target)])
    session = open_session(model.SerializeToString())
    run_session(session, np.zeros((loaded.batch or 1, *loaded.input_shape), np.float32), loaded.batch)
