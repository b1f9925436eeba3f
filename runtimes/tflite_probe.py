"""Trying a ``.tflite`` file in a child process: a bad one can abort the interpreter, and the process with it.

LiteRT 2.3.0 aborts on at least one public file; ai-edge-litert is tried first, tflite-runtime second.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import BadModel

__all__ = ["TfliteFacts", "probe_tflite"]

_SECONDS = 60
# Runs in the child. Exit code 3: the interpreter refused the file. 4: no interpreter is installed.
_CHILD = """
import json, sys
import numpy
try:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter
except ImportError:
    sys.exit(4)
try:
    interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
    interpreter.allocate_tensors()
except Exception as error:
    print(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
    sys.exit(3)
print(json.dumps([[len(part), [[d["name"], [int(n) for n in d["shape"]], d["dtype"].__name__] for d in part]]
                  for part in (interpreter.get_input_details(), interpreter.get_output_details())]))
# Some files kill only who runs them. One that merely fails to run tells so wherever it is run.
try:
    for d in interpreter.get_input_details():
        interpreter.set_tensor(d["index"], numpy.zeros(d["shape"], d["dtype"]))
    interpreter.invoke()
except Exception:
    pass
"""


@dataclass(frozen=True, slots=True)
class TfliteFacts:
    """Inputs and outputs of a model, each ``(name, shape, dtype)``."""

    inputs: tuple[tuple[str, tuple[int, ...], str], ...]
    outputs: tuple[tuple[str, tuple[int, ...], str], ...]


def probe_tflite(path: Path) -> TfliteFacts | None:
    """Load a file, allocate its tensors and run it once, elsewhere; ``None`` if no interpreter is installed.

    :raises BadModel: the interpreter refuses the file, dies of it, or hangs.
    """
    where = str(path)
    try:
        child = subprocess.run(
            # -P: a file called json.py in the current directory is not json.
            [sys.executable, "-P", "-c", _CHILD, str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadModel(f"the interpreter hangs on it for {_SECONDS} s", where=where) from None
    if child.returncode == 4:
        return None
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise BadModel(f"it kills the interpreter ({name})", where=where, fix="Convert the network again")
    if child.returncode != 0:
        told = child.stdout.strip().splitlines()
        raise BadModel(f"the interpreter refuses it: {told[-1] if told else 'no reason given'}", where=where)
    parts = [
        tuple((name, tuple(shape), dtype) for name, shape, dtype in entries)
        for _, entries in json.loads(child.stdout.strip().splitlines()[-1])
    ]
    return TfliteFacts(parts[0], parts[1])
