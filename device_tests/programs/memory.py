"""On the device: how much private memory each of the models N.onnx takes, in a process of its own, in KiB.

Private is what nobody shares. Pages of libraries, which are read again when they were dropped, count as resident or not
by what the page cache happens to hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_CHILD = """
import sys
import numpy as np
from edgeguard.runtimes.ort_session import open_session

def private():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))

import onnxruntime
before = private()
session = open_session(__import__("pathlib").Path(sys.argv[1]))
source = session.get_inputs()[0]
feed = {source.name: np.zeros([dim if isinstance(dim, int) else 1 for dim in source.shape], np.float32)}
for _ in range(20):
    session.run(None, feed)
print(private() - before)
"""

count = json.loads(Path("request.json").read_text())["models"]
commands = [[sys.executable, "-P", "-c", _CHILD, f"{index}.onnx"] for index in range(count)]
print(json.dumps({"kib": [int(subprocess.check_output(command)) for command in commands]}))
