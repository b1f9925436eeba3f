"""From a torch network to ONNX, by the exporter that works for its kind, and checked against the network itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import onnx
import torch
from onnx import ModelProto

from edgeguard.errors import BadModel, EdgeguardError, GuardFailed
from edgeguard.export.quiet import quiet
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.staging import scratch_directory

__all__ = ["INPUT", "OUTPUT", "module_to_onnx", "program_to_onnx", "script_to_onnx"]

INPUT = "input"
OUTPUT = "output"
# Exporters reorder float additions; anything beyond this is another function.
_RELATIVE = 1e-3


def module_to_onnx(module: torch.nn.Module, shape: tuple[int, ...]) -> tuple[ModelProto, int | None]:
    """An eager module; a batch of any size if the module allows, else of one.

    :param shape: of one input, without the batch axis.
    :returns: the model, and the batch size it is fixed to or ``None``.
    :raises BadModel: it cannot be traced.
    :raises GuardFailed: the ONNX model computes something else.
    """
    # A sample batch of 1 would be specialised to 1; 2 stays free.
    dynamic = {0: torch.export.Dim("batch")}

    def free() -> ModelProto:
        return _dynamo(module, (torch.zeros(2, *shape),), (dynamic,))

    def fixed() -> ModelProto:
        return _dynamo(module, (torch.zeros(1, *shape),), None)

    return _first_that_works(free, fixed, module, shape)


def script_to_onnx(module: torch.jit.ScriptModule, shape: tuple[int, ...]) -> tuple[ModelProto, int | None]:
    """A TorchScript module, which only the older exporter takes; otherwise as :func:`module_to_onnx`."""

    def free() -> ModelProto:
        return _script(module, torch.zeros(2, *shape), {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}})

    def fixed() -> ModelProto:
        return _script(module, torch.zeros(1, *shape), None)

    return _first_that_works(free, fixed, module, shape)


def program_to_onnx(program: torch.export.ExportedProgram, shape: tuple[int, ...], batch: int | None) -> ModelProto:
    """An ExportedProgram, whose batch is what it was exported with.

    :raises BadModel: it cannot be converted.
    :raises GuardFailed: the ONNX model computes something else.
    """
    # Passing program.module() instead would lose the dynamic batch.
    with _reported():
        model = _dynamo(program, (), None)
    _check(model, program.module(), shape, batch)
    return model


def _first_that_works(
    free: Callable[[], ModelProto], fixed: Callable[[], ModelProto], module: torch.nn.Module, shape: tuple[int, ...]
) -> tuple[ModelProto, int | None]:
    _try_eager(module, shape)
    try:
        with _reported():
            model = free()
        _check(model, module, shape, None)
        return model, None
    except EdgeguardError:
        with _reported():
            model = fixed()
        _check(model, module, shape, 1)
        return model, 1


def _try_eager(module: torch.nn.Module, shape: tuple[int, ...]) -> None:
    """The network's own complaint about a wrong input shape is clearer than an exporter's."""
    try:
        with torch.no_grad():
            output = module(torch.zeros(1, *shape))
    except Exception as error:  # whatever the user's forward raises
        raise BadModel(
            f"the network fails on an input of shape {list(shape)}: {first_line(error)}",
            fix="Is --input-shape C,H,W right?",
        ) from None
    if not isinstance(output, torch.Tensor):
        raise BadModel(
            f"the network returns {type(output).__name__}, not one tensor",
            fix="Export a network that returns its logits only",
        )


def _dynamo(
    model: torch.nn.Module | torch.export.ExportedProgram,
    sample: tuple[torch.Tensor, ...],
    dynamic: tuple[dict[int, torch.export.Dim], ...] | None,
) -> ModelProto:
    program = torch.onnx.export(
        model,
        sample,
        dynamo=True,
        external_data=False,
        dynamic_shapes=dynamic,
        input_names=[INPUT],
        output_names=[OUTPUT],
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _script(module: torch.jit.ScriptModule, sample: torch.Tensor, axes: dict[str, dict[int, str]] | None) -> ModelProto:
    with scratch_directory() as scratch:
        path = scratch / "model.onnx"
        torch.onnx.export(
            module, (sample,), str(path), dynamo=False, dynamic_axes=axes, input_names=[INPUT], output_names=[OUTPUT]
        )
        return onnx.load(path)


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Keep the exporters' chatter from the terminal, and turn their failures into ours."""
    try:
        with quiet():
            yield
    except Exception as error:  # the exporters raise a dozen unrelated types
        raise BadModel(
            f"cannot be converted to ONNX: {type(error).__name__}: {first_line(error)}",
            fix="Try torch.onnx.export yourself, and pass edgeguard the .onnx file",
        ) from None


def _check(model: ModelProto, module: torch.nn.Module, shape: tuple[int, ...], batch: int | None) -> None:
    """The ONNX model answers as the network does, at a batch size that the exporter did not see."""
    inputs = np.random.default_rng(0).standard_normal((batch or 3, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(inputs)).numpy()
    found = run_session(open_session(model.SerializeToString()), inputs, None)
    if found.shape != expected.shape:
        raise GuardFailed(f"the ONNX model returns {list(found.shape)}, the network {list(expected.shape)}")
    if not np.isfinite(expected).all():
        raise BadModel("the network answers with NaN or infinity on random inputs", fix="Check its weights")
    difference = float(np.abs(found - expected).max())
    if difference > _RELATIVE * max(1.0, float(np.abs(expected).max())):
        raise GuardFailed(f"the ONNX model differs from the network by {difference:.3g}", fix="Please report it")
