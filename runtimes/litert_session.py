"""LiteRT interpreters with everything explicit that their defaults leave to the machine.

ai-edge-litert is tried first; tflite-runtime, its predecessor, is all there is for 32-bit systems and old Pythons.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.errors import BadModel, DeviceError
from edgeguard.runtimes.first_line import first_line

__all__ = ["LiteRtSession", "litert_answerer", "litert_engine", "open_litert"]

Array = np.ndarray[Any, Any]


class LiteRtSession:
    """A loaded model with one input and one output, fixed to a batch size.

    :param interpreter: its tensors not yet allocated.
    :raises BadModel: its tensors cannot be allocated, or it has several inputs or outputs.
    """

    def __init__(self, interpreter: Any, where: str | None) -> None:
        try:
            interpreter.allocate_tensors()
        except Exception as error:  # bindings raise RuntimeError and ValueError with the kernel's words
            raise BadModel(f"LiteRT refuses it: {first_line(error)}", where=where) from None
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BadModel(f"has {len(inputs)} inputs and {len(outputs)} outputs, not one of each", where=where)
        self._interpreter = interpreter
        self.input, self.output = inputs[0], outputs[0]

    @property
    def batch(self) -> int:
        """How many inputs it takes at once."""
        return int(self.input["shape"][0])

    def run(self, inputs: Array) -> Array:
        """The output, ``[n, ...]`` as the model holds it, to any number of finished inputs.

        :param inputs: float32 ``[n, *input_shape]``; the session brings them to the grid of an integer input.
        :raises BadModel: LiteRT fails while running the model.
        """
        fed = self.quantized(inputs)
        blocks = []
        for start in range(0, len(fed), self.batch):
            block = fed[start : start + self.batch]
            missing = self.batch - len(block)
            whole = np.concatenate([block, np.repeat(block[-1:], missing, axis=0)]) if missing else block
            blocks.append(self.invoke(whole)[: len(block)])
        return np.concatenate(blocks)

    def invoke(self, block: Array) -> Array:
        """The output to one block, in the type and with the batch size that the model takes.

        :raises BadModel: LiteRT fails while running the model.
        """
        interpreter = self._interpreter
        try:
            interpreter.set_tensor(self.input["index"], block)
            interpreter.invoke()
            return np.asarray(interpreter.get_tensor(self.output["index"]))
        except Exception as error:  # as above
            raise BadModel(f"LiteRT fails while running it: {first_line(error)}") from None

    def quantized(self, inputs: Array) -> Array:
        """Finished inputs as the model takes them: on the grid of its input if that is of integers."""
        dtype = np.dtype(self.input["dtype"])
        if dtype == np.float32:
            return inputs
        scale, zero_point = self.input["quantization"]
        limits = np.iinfo(dtype)
        steps = np.rint(inputs / np.float32(scale)) + np.float32(zero_point)
        return np.asarray(np.clip(steps, limits.min, limits.max), dtype)


def litert_engine() -> tuple[Any, str, str]:
    """The module with the interpreter that there is, its name and its version.

    :raises DeviceError: there is none.
    """
    from importlib.metadata import version

    try:
        from ai_edge_litert import interpreter

        return interpreter, "ai-edge-litert", version("ai-edge-litert")
    except ImportError as newer:
        try:
            from tflite_runtime import interpreter as older  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise DeviceError(
                f"LiteRT cannot be imported: {newer}", fix='Install it with: pip install "edgeguard[litert]"'
            ) from None
        return older, "tflite-runtime", version("tflite-runtime")


def open_litert(model: Path | bytes, *, threads: int = 1, xnnpack: bool = True) -> LiteRtSession:
    """A session in this process: of a file that nobody here made, ask :func:`probe_tflite` first.

    :param model: a file, or a serialised model.
    :param threads: threads inside an operator.
    :param xnnpack: whether XNNPACK's kernels run where there are such, or only the built-in ones.
    :raises BadModel: LiteRT refuses the model, or it has several inputs or outputs.
    :raises DeviceError: no engine is installed here.
    """
    module, _, _ = litert_engine()
    kinds = module.OpResolverType
    resolver = kinds.AUTO if xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    where = None if isinstance(model, bytes) else str(model)
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    try:
        interpreter = module.Interpreter(**source, num_threads=threads, experimental_op_resolver_type=resolver)
    except Exception as error:  # as above
        raise BadModel(f"LiteRT refuses it: {first_line(error)}", where=where) from None
    return LiteRtSession(interpreter, where)


def litert_answerer(model: Path | bytes) -> Callable[[Array], Array]:
    """A function that runs a model: float32 inputs ``[n, *input_shape]`` to its only output, as the model holds it.

    :raises BadModel: LiteRT refuses it.
    """
    return open_litert(model).run
