"""From a torch network to a float TFLite model, by litert-torch.

litert-torch runs in a child process: it brings jax, torchao and an MLIR compiler along, which cost 1.5 s and 300 MB to
import, print from C++ past any redirection, and take the process with them when they crash. What goes in is an
ExportedProgram in a file, so the child needs none of the code that the network came from.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from edgeguard.errors import BadModel, GuardFailed, MissingExtra
from edgeguard.export.quiet import quiet
from edgeguard.export.tflite.child import REFUSED
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.litert_session import open_litert
from edgeguard.runtimes.tflite_probe import probe_tflite
from edgeguard.staging import scratch_directory

__all__ = ["Layout", "convert", "laid_out", "layout_of"]

Array = np.ndarray[Any, Any]
Layout = Literal["NHWC", "unchanged"]

# ResNet-20 takes 12 s, most of it imports; a compiler that takes half an hour hangs.
_SECONDS = 1800
_TRIED = 4
# Converters reorder float additions; anything beyond this, relative to the largest answer, is another function.
_RELATIVE = 1e-4
_FIX = "Export it without TFLite (--format onnx), and please report it to litert-torch"


def layout_of(input_shape: tuple[int, ...]) -> Layout:
    """How the TFLite model takes its inputs: images (three axes, C,H,W) with their channels last, as TFLite's kernels
    want them; anything else as the network does."""
    return "NHWC" if len(input_shape) == 3 else "unchanged"


def laid_out(inputs: Array) -> Array:
    """A batch of the network's inputs as the TFLite model takes them."""
    if layout_of(inputs.shape[1:]) == "NHWC":
        return np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
    return inputs


def convert(module: torch.nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """The network as a float ``.tflite`` of batch 1 that answers as it does; the same network gives the same bytes.

    :param module: in eval mode.
    :param input_shape: of one input, without the batch axis.
    :raises MissingExtra: litert-torch is not installed.
    :raises BadModel: the network cannot be traced or converted.
    :raises GuardFailed: the TFLite model computes something else.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise BadModel(
            "is TorchScript, which cannot be converted to TFLite",
            fix="Export from its state_dict (--arch pkg.module:factory), or from what torch.export.save wrote",
        )
    if find_spec("litert_torch") is None:
        raise MissingExtra("litert-torch", "tflite")
    # Within the block, temporary files of this process are made in the directory, too.
    with scratch_directory() as scratch:
        source, result = scratch / "network.pt2", scratch / "network.tflite"
        with quiet():
            _trace(module, input_shape, source)
        _run_child(source, result, layout_of(input_shape))
        probe_tflite(result)
        data = result.read_bytes()
    _check(data, module, input_shape)
    return data


def _trace(module: torch.nn.Module, input_shape: tuple[int, ...], path: Path) -> None:
    try:
        torch.export.save(torch.export.export(module, (torch.zeros(1, *input_shape),)), path)
    except Exception as error:  # torch.export raises a dozen unrelated types
        raise BadModel(
            f"cannot be traced with a batch of 1: {type(error).__name__}: {first_line(error)}", fix=_FIX
        ) from None


def _run_child(source: Path, result: Path, layout: Layout) -> None:
    quiet_cpu = {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": "0"}
    try:
        child = subprocess.run(
            # -P: a file called json.py in the current directory is not json.
            [sys.executable, "-P", "-m", "edgeguard.export.tflite.child", str(source), str(result), layout],
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | quiet_cpu | {"TMPDIR": str(result.parent)},
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadModel(f"litert-torch does not finish within {_SECONDS} s", fix=_FIX) from None
    if child.returncode == 0:
        return
    if child.returncode < 0:
        raise BadModel(f"litert-torch dies of it ({signal.Signals(-child.returncode).name})", fix=_FIX)
    told = (child.stdout if child.returncode == REFUSED else child.stderr).strip().splitlines()
    raise BadModel(f"litert-torch cannot convert it: {told[-1] if told else 'no reason given'}", fix=_FIX)


def _check(data: bytes, module: torch.nn.Module, input_shape: tuple[int, ...]) -> None:
    """The TFLite model answers as the network does."""
    inputs = np.random.default_rng(0).standard_normal((_TRIED, *input_shape)).astype(np.float32)
    with torch.no_grad():
        expected = np.concatenate([module(torch.from_numpy(inputs[k : k + 1])).numpy() for k in range(_TRIED)])
    if not np.isfinite(expected).all():
        raise BadModel("the network answers with NaN or infinity on random inputs", fix="Check its weights")
    found = open_litert(data).run(laid_out(inputs))
    if found.shape != expected.shape:
        raise GuardFailed(f"the TFLite model returns {list(found.shape)}, the network {list(expected.shape)}", fix=_FIX)
    difference = float(np.abs(found - expected).max())
    if not difference <= _RELATIVE * max(1.0, float(np.abs(expected).max())):
        raise GuardFailed(f"the TFLite model differs from the network by {difference:.3g}", fix=_FIX)
