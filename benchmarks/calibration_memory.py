"""Peak memory of calibrating with many images, beside that with few: it must not grow (onnxruntime#10503, #11020).

Each figure is the peak resident memory of a fresh process that loads the network, opens the set and collects the ranges
of all activations. The network has ResNet-20's shape and random weights; the images are random.

    .venv/bin/python benchmarks/calibration_memory.py
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import OBSERVERS
from edgeguard.calibration.sets import open_set
from edgeguard.cpu import this_cpu
from edgeguard.preprocess import Preprocess

RESULT = Path(__file__).parent / "results" / "calibration_memory.md"
FEW, MANY = 200, 10_000
MOST = 1.1
SIZE = 32
_ADDR_NO_RANDOMIZE = 0x0040000
Array = np.ndarray[Any, Any]


def network() -> tuple[bytes, list[str]]:
    """Three stages of six convolutions with shortcuts, as in ResNet-20, all activations among its outputs."""
    rng = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    constants: dict[str, Array] = {}

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolution(value: str, before: int, after: int, kernel: int, stride: int) -> str:
        weight = f"w{len(nodes)}"
        spread = (2 / (before * kernel**2)) ** 0.5
        constants[weight] = rng.normal(0, spread, (after, before, kernel, kernel)).astype(np.float32)
        return add("Conv", value, weight, pads=[kernel // 2] * 4, strides=[stride] * 2)

    value, channels = add("Relu", convolution("x", 3, 16, 3, 1)), 16
    for width in (16, 32, 64):
        for _ in range(3):
            stride = width // channels
            inner = add("Relu", convolution(value, channels, width, 3, stride))
            shortcut = value if stride == 1 else convolution(value, channels, width, 1, stride)
            value, channels = add("Relu", add("Add", convolution(inner, width, width, 3, 1), shortcut)), width
    constants["dense"] = rng.normal(0, 0.1, (64, 10)).astype(np.float32)
    add("Gemm", add("Flatten", add("GlobalAveragePool", value)), "dense")
    names = [node.output[0] for node in nodes]
    graph = helper.make_graph(
        nodes,
        "resnet20-like",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(constant, name) for name, constant in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString()), ["x", *names]


def measure_here(images: Path, observer: str) -> None:
    """In a process of its own: prints peak resident kB and seconds."""
    start = time.monotonic()
    preprocess = Preprocess((SIZE, SIZE))
    data = open_set(images, preprocess, preprocess.input_shape)
    model, tensors = network()
    collected = collect(model, "x", tensors, data, OBSERVERS[observer])
    assert len(collected.ranges) == len(tensors)
    # Not ru_maxrss: it survives exec, and would be the parent's where that was larger.
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert peak is not None
    print(peak.group(1), time.monotonic() - start)


def measure(images: Path, observer: str) -> tuple[float, float]:
    """MiB and seconds of a fresh process."""
    command = [sys.executable, __file__, "--child", str(images), observer]
    result = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=_at_fixed_addresses)
    kilobytes, seconds = result.stdout.split()
    return int(kilobytes) / 1024, float(seconds)


def _at_fixed_addresses() -> None:
    """Address randomisation off, as ``setarch -R``: it moves the same process's peak between 128 and 142 MiB."""
    ctypes.CDLL(None).personality(_ADDR_NO_RANDOMIZE)


def machine() -> str:
    """Processor, cores and versions, without names of hosts."""
    processor = this_cpu().model or platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "onnxruntime"))
    return f"{processor}, {os.cpu_count()} cores, Linux, Python {platform.python_version()}, {versions}"


def main() -> int:
    """Measure every observer, write the table, and fail if one grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--child", nargs=2, metavar=("IMAGES", "OBSERVER"), help=argparse.SUPPRESS)
    parser.add_argument("--many", type=int, default=MANY, help="images of the large set")
    options = parser.parse_args()
    if options.child:
        measure_here(Path(options.child[0]), options.child[1])
        return 0
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory(prefix="edgeguard-") as folder:
        sets = {count: Path(folder, f"{count}.npz") for count in (FEW, options.many)}
        for count, path in sets.items():
            np.savez(path, x=np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8))
        for observer in OBSERVERS:
            (few, _), (many, seconds) = (measure(path, observer) for path in sets.values())
            worst = max(worst, many / few)
            rows.append(f"| {observer} | {few:.1f} | {many:.1f} | {many / few:.3f} | {seconds:.0f} |")
            print(rows[-1], flush=True)
    header = f"| observer | {FEW} images, MiB | {options.many} images, MiB | ratio | seconds for {options.many} |"
    report = [
        "# Peak memory of calibration",
        "",
        f"`.venv/bin/python benchmarks/calibration_memory.py`, {datetime.date.today().isoformat()}, {machine()}.",
        "",
        "Peak resident memory (VmHWM) of a fresh process, addresses not randomised, that opens the set and collects",
        f"the ranges of every activation of a ResNet-20-like network on {SIZE}x{SIZE} images. Demanded: a ratio of at "
        f"most {MOST}. Found: {worst:.3f}.",
        "",
        header,
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]
    RESULT.write_text("\n".join(report) + "\n")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
