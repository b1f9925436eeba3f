"""Time and peak memory of converting torch networks to TFLite: edgeguard, plain litert-torch, onnx2tf.

    .venv/bin/python benchmarks/tflite_conversion.py --onnx2tf PYTHON_THAT_HAS_IT --write

Each conversion is a fresh process, from a state_dict (onnx2tf: from the ONNX file that edgeguard makes of it) to a
file: float, and int8 on the same inputs. Peak memory is that of the largest process of each tree. edgeguard's figures
include loading and checking the file, measuring agreement and choosing goldens; litert-torch's int8 is
ai-edge-quantizer with its defaults, onnx2tf's is TensorFlow's converter. Needs the extra ``tflite``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.cost.networks import NETS, Net, exact, pictures

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "tflite_conversion.md"
CONVERTED = {"resnet20": 256, "mobilenet": 64}
_SECONDS = 1800

_PLAIN = """
import sys, numpy, torch, litert_torch
from pathlib import Path
from benchmarks.cost.networks import NETS
from edgeguard.export.loading import LoadRequest, load_model
net, weights, images, out = sys.argv[1:]
inputs = numpy.load(images)
module = load_model(LoadRequest(Path(weights), NETS[net].factory, input_shape=inputs.shape[1:])).module
channels_last = litert_torch.to_channel_last_io(module, args=[0]).eval()
inputs = numpy.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
litert_torch.convert(channels_last, (torch.from_numpy(inputs[:1]),)).export(out)
if out.endswith("int8.tflite"):
    from ai_edge_quantizer import quantizer, recipe
    working = quantizer.Quantizer(out, recipe.static_wi8_ai8())
    found = working.calibrate({"serving_default": [{"args_0": inputs[i : i + 1]} for i in range(len(inputs))]})
    working.quantize(found).export_model(out, overwrite=True)
"""


@dataclass(frozen=True)
class Row:
    """One conversion; ``said`` is why it failed, if it did."""

    net: str
    kind: str
    tool: str
    seconds: float
    mib: float
    said: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--nets", nargs="+", choices=list(CONVERTED), default=list(CONVERTED), metavar="NET")
    parser.add_argument("--onnx2tf", type=Path, help="a Python with onnx2tf; left out without it")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    options = parser.parse_args()
    rows = []
    for name in options.nets:
        with tempfile.TemporaryDirectory() as scratch:
            for row in rows_of(NETS[name], options.reference, Path(scratch), options.onnx2tf):
                print(f"{row.net} {row.kind} {row.tool}: {row.seconds:.1f} s, {row.mib:.0f} MiB {row.said}", flush=True)
                rows.append(row)
    if options.write:
        RESULT.write_text(report(rows))


def rows_of(net: Net, reference: Path, scratch: Path, onnx2tf: Path | None) -> Iterator[Row]:
    """Convert a network with everything that there is."""
    inputs = pictures(net, CONVERTED[net.name])
    # onnx2tf wants its calibration images as the graph takes them, channels last.
    np.save(scratch / "inputs.npy", inputs)
    np.save(scratch / "last.npy", inputs.transpose(0, 2, 3, 1))
    np.savez(scratch / "inputs.npz", x=inputs)
    (scratch / "net.onnx").write_bytes(exact(net, reference, scratch).SerializeToString())
    for kind in ("float", "int8"):
        for tool, command in _commands(net, reference, scratch, kind, onnx2tf):
            seconds, mib, said = _measured(command)
            yield Row(net.name, kind, tool, seconds, mib, said)


def _commands(
    net: Net, reference: Path, scratch: Path, kind: str, onnx2tf: Path | None
) -> Iterator[tuple[str, Sequence[str]]]:
    assert net.weights is not None
    weights = str(reference / "models" / net.weights)
    shape = ",".join(map(str, np.load(scratch / "inputs.npy", mmap_mode="r").shape[1:]))
    export = [sys.executable, "-m", "edgeguard.cli", "export", weights, "--arch", net.factory, "--input-shape", shape]
    export += ["--format", "tflite", "--preprocess", "none", "-o", str(scratch / f"{kind}.edgeguard")]
    yield "edgeguard", [*export, *(("--int8", "--calibration", str(scratch / "inputs.npz")) if kind == "int8" else ())]
    out = str(scratch / f"plain-{kind}.tflite")
    yield "litert-torch", [sys.executable, "-c", _PLAIN, net.name, weights, str(scratch / "inputs.npy"), out]
    if onnx2tf is not None:
        convert = [str(onnx2tf), "-m", "onnx2tf", "-i", str(scratch / "net.onnx"), "-o", str(scratch / f"tf-{kind}")]
        name = onnx.load(scratch / "net.onnx").graph.input[0].name
        calibrated = ("-oiqt", "-cind", name, str(scratch / "last.npy"), "[[[[0,0,0]]]]", "[[[[1,1,1]]]]")
        yield "onnx2tf", [*convert, "-b", "1", *(calibrated if kind == "int8" else ())]


def _measured(command: Sequence[str]) -> tuple[float, float, str]:
    """Seconds, peak MiB of the largest process, and the last line of a failure."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryFile("w+") as heard:
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=heard, stderr=heard, env=environment, cwd=ROOT)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        heard.seek(0)
        lines = heard.read().strip().splitlines()
    said = "" if child.returncode == 0 else f"failed: {lines[-1][:200] if lines else child.returncode}"
    return seconds, used.ru_maxrss / 1024, said


def report(rows: Sequence[Row]) -> str:
    """The whole result, for a person."""
    lines = [
        "# Converting torch networks to TFLite",
        "",
        f"`python benchmarks/tflite_conversion.py --onnx2tf PYTHON --write`, {machine()}.",
        "",
        "Fresh processes; seconds, and peak memory of the largest process of each tree. int8 on 256 (ResNet-20) and 64",
        "(MobileNetV1-0.25, 224 x 224) images. edgeguard's figures include checking, measuring and goldens.",
        "",
        "| network | kind | tool | seconds | MiB | |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    lines += [f"| {r.net} | {r.kind} | {r.tool} | {r.seconds:.1f} | {r.mib:.0f} | {r.said} |" for r in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
