"""Time and peak memory of converting torch networks to TFLite: edgeguard, plain litert-torch, onnx2tf.

    .venv/bin/python benchmarks/tflite_conversion.py --onnx2tf PYTHON_THAT_HAS_IT --write

Each conversion is a fresh process, from a state_dict (onnx2tf: from the ONNX file that torch makes of it, which is not
timed) to a file: float, and int8 on the same inputs. Peak memory is that of the largest process of each tree.
edgeguard's figures include loading and checking the file, the float and int8 networks in both runtimes, measuring
agreement and choosing goldens; litert-torch's int8 is ai-edge-quantizer with its defaults, onnx2tf's is TensorFlow's
converter. Needs the extra ``tflite``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.cost.networks import NETS, Net, pictures
from edgeguard.export.loading import LoadRequest, load_model

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "tflite_conversion.md"
CONVERTED = {"resnet20": 256, "mobilenet": 64}

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

# A process's peak begins with that of the process it was forked from: this one is small, the benchmark is not.
_LAUNCH = """
import json, os, subprocess, sys, tempfile, time
with tempfile.TemporaryFile("w+", errors="replace") as heard:
    began = time.monotonic()
    child = subprocess.Popen(sys.argv[1:], stdout=heard, stderr=heard)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    heard.seek(0)
    lines = heard.read().strip().splitlines()
print(json.dumps([seconds, used.ru_maxrss, child.returncode, lines[-1] if lines else ""]))
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
    rows, before = [], os.getloadavg()[0]
    for name in options.nets:
        with tempfile.TemporaryDirectory() as scratch:
            for row in rows_of(NETS[name], options.reference, Path(scratch), options.onnx2tf):
                print(f"{row.net} {row.kind} {row.tool}: {row.seconds:.1f} s, {row.mib:.0f} MiB {row.said}", flush=True)
                rows.append(row)
    if options.write:
        RESULT.write_text(report(rows, versions_of(options.onnx2tf), (before, os.getloadavg()[0])))


def rows_of(net: Net, reference: Path, scratch: Path, onnx2tf: Path | None) -> Iterator[Row]:
    """Convert a network with everything that there is."""
    inputs = pictures(net, CONVERTED[net.name])
    # onnx2tf wants its calibration images as the graph takes them, channels last.
    np.save(scratch / "inputs.npy", inputs)
    np.save(scratch / "last.npy", inputs.transpose(0, 2, 3, 1))
    np.savez(scratch / "inputs.npz", x=inputs)
    # onnx2tf downloads these pictures unless they lie where it runs; what they show does not matter to its speed.
    samples = np.random.default_rng(0).random((20, 128, 128, 3), np.float32)
    np.save(scratch / "calibration_image_sample_data_20x128x128x3_float32.npy", samples)
    if onnx2tf is not None:
        _write_onnx(net, reference, scratch / "net.onnx", inputs.shape[1:])
    for kind in ("float", "int8"):
        for tool, command in _commands(net, reference, scratch, kind, onnx2tf):
            seconds, mib, said = _measured(command, scratch)
            yield Row(net.name, kind, tool, seconds, mib, said)


def _write_onnx(net: Net, reference: Path, path: Path, shape: tuple[int, ...]) -> None:
    assert net.weights is not None
    module = load_model(LoadRequest(reference / "models" / net.weights, net.factory, input_shape=shape)).module
    assert module is not None
    sample = (torch.zeros(1, *shape),)
    torch.onnx.export(module, sample, path, dynamo=True, external_data=False, input_names=["input"], verbose=False)


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
        calibrated = ("-oiqt", "-cind", "input", str(scratch / "last.npy"), "[[[[0,0,0]]]]", "[[[[1,1,1]]]]")
        yield "onnx2tf", [*convert, "-b", "1", *(calibrated if kind == "int8" else ())]


def _measured(command: Sequence[str], place: Path) -> tuple[float, float, str]:
    """Seconds, peak MiB of the largest process, and the last line of a failure."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    # onnx2tf calls onnxsim, which lies beside its Python.
    environment["PATH"] = f"{Path(command[0]).parent}{os.pathsep}{environment['PATH']}"
    launched = [sys.executable, "-c", _LAUNCH, *command]
    result = subprocess.run(launched, capture_output=True, text=True, check=True, cwd=place, env=environment)
    seconds, kib, code, said = json.loads(result.stdout)
    return seconds, kib / 1024, f"failed: {said[:200] or code}" if code else ""


def versions_of(onnx2tf: Path | None) -> list[str]:
    """What else the figures depend on."""
    found = [f"{name} {version(name)}" for name in ("torch", "litert-torch", "ai-edge-quantizer")]
    if onnx2tf is not None:
        asked = "from importlib.metadata import version as v; print(v('onnx2tf'), 'with tensorflow', v('tensorflow'))"
        said = subprocess.run([str(onnx2tf), "-c", asked], capture_output=True, text=True, check=True).stdout
        found.append(f"onnx2tf {said.strip()}")
    return found


def report(rows: Sequence[Row], versions: Sequence[str], load: tuple[float, float]) -> str:
    """The whole result, for a person."""
    lines = [
        "# Converting torch networks to TFLite",
        "",
        f"`python benchmarks/tflite_conversion.py --onnx2tf PYTHON --write`, {machine()}, {', '.join(versions)}.",
        "",
        "Fresh processes; seconds, and peak memory of the largest process of each tree. int8 on 256 (ResNet-20) and",
        "64 (MobileNetV1-0.25, 224 x 224) images. edgeguard's figures are those of the whole export, which converts to",
        "ONNX, too, compares both with the network, measures agreement and chooses goldens; onnx2tf starts from an",
        "ONNX file.",
        f"Load of the machine before and after: {load[0]:.1f}, {load[1]:.1f}.",
        "",
        "| network | kind | tool | seconds | MiB | |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    lines += [f"| {r.net} | {r.kind} | {r.tool} | {r.seconds:.1f} | {r.mib:.0f} | {r.said} |" for r in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
