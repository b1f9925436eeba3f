"""Loading what torch saved: the four kinds of ``.pt``."""

from __future__ import annotations

import torch

from edgeguard.digests import file_digest
from edgeguard.errors import BadModel, UsageError
from edgeguard.export.loading.archive import archive_kind
from edgeguard.export.loading.base import Kind, LoadedModel, LoadRequest
from edgeguard.export.loading.exported_program import load_exported_program
from edgeguard.export.loading.pickled import load_pickle
from edgeguard.export.loading.script_code import check_script
from edgeguard.export.loading.shapes import check_input_shape
from edgeguard.export.loading.to_onnx import module_to_onnx, program_to_onnx, script_to_onnx
from edgeguard.runtimes.first_line import first_line

__all__ = ["load_torch"]


def load_torch(request: LoadRequest) -> LoadedModel:
    """The float network in a torch archive.

    :raises UsageError: the file needs ``--input-shape`` or ``--arch``.
    :raises RejectedInput: it is unsafe, damaged, or no network that can be converted.
    """
    found = archive_kind(request.path)
    if found == "exported-program":
        return _exported_program(request)
    if found == "torchscript":
        shape = _input_shape(request, "TorchScript")
        script = _torchscript(request)
        check_finite(script)
        model, batch = script_to_onnx(script, shape)
        return LoadedModel(model, script, shape, batch, file_digest(request.path), "torchscript")
    module, whole = load_pickle(request)
    kind: Kind = "pickled-module" if whole else "state-dict"
    shape = _input_shape(request, "a pickled module" if whole else "a state_dict")
    check_finite(module)
    model, batch = module_to_onnx(module, shape)
    return LoadedModel(model, module, shape, batch, file_digest(request.path), kind)


def check_finite(module: torch.nn.Module) -> None:
    """Refuse weights that training broke.

    :raises BadModel: naming the first tensor that holds NaN or infinity.
    """
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise BadModel("holds NaN or infinity", where=f"tensor {name!r}", fix="Take an earlier checkpoint")


def _torchscript(request: LoadRequest) -> torch.jit.ScriptModule:
    if not request.trust_pickle:
        check_script(request.path)
    try:
        script: torch.jit.ScriptModule = torch.jit.load(str(request.path), map_location="cpu")
    except Exception as error:  # torch raises whatever the damaged part makes it raise
        raise BadModel(f"cannot be loaded: {first_line(error)}", where=str(request.path), fix="Save it again") from None
    script.eval()
    return script


def _exported_program(request: LoadRequest) -> LoadedModel:
    program = load_exported_program(request.path, trusted=request.trust_pickle)
    where = str(request.path)
    names = program.graph_signature.user_inputs
    values = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(values) != 1 or not isinstance(values[0], torch.Tensor):
        raise BadModel(f"takes {len(names)} inputs; a classifier takes one", where=where)
    dims = list(values[0].shape)
    if not dims or any(not isinstance(dim, int) for dim in dims[1:]):
        raise BadModel(
            f"its input {[str(dim) for dim in dims]} has a free dimension besides the batch",
            where=where,
            fix="Export it with fixed height and width",
        )
    shape = tuple(int(dim) for dim in dims[1:])
    if request.input_shape not in (None, shape):
        raise UsageError(f"the file says {list(shape)}", where="--input-shape", fix="Leave the option out")
    check_input_shape(shape)
    batch = dims[0] if isinstance(dims[0], int) else None
    module = program.module()
    check_finite(module)
    model = program_to_onnx(program, shape, batch)
    return LoadedModel(model, module, shape, batch, file_digest(request.path), "exported-program")


def _input_shape(request: LoadRequest, what: str) -> tuple[int, ...]:
    if request.input_shape is None:
        raise UsageError(
            f"{what} does not say what input it takes",
            where=str(request.path),
            fix="Say it, for example --input-shape 3,32,32 for colour images of 32 x 32",
        )
    check_input_shape(request.input_shape)
    return request.input_shape
