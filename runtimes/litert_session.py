"""LiteRT interpreters with everything explicit that their defaults leave to the machine.

ai-edge-litert is tried first; tflite-runtime, its predecessor, is all there is for 32-bit systems and old Pythons.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.errors import BadData, BadModel, DeviceError
from edgeguard.runtimes.blocks import filled_up
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.held_back import held_back

__all__ = ["LiteRtSession", "litert_answerer", "litert_engine", "load_litert", "open_litert"]

Array = np.ndarray[Any, Any]

# Said once by every process. No option and no variable of LiteRT 2.3.0 or tflite-runtime 2.14 turns it off.
_CHATTER = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
_DELEGATE = "DELEGATE"


class LiteRtSession:
    """A loaded model with one input and one output, fixed to a batch size.

    :param interpreter: its tensors not yet allocated.
    :raises BadModel: its tensors cannot be allocated, or it has no input or no output.
    """

    def __init__(self, interpreter: Any, where: str | None) -> None:
        try:
            with held_back(_CHATTER):
                interpreter.allocate_tensors()
        except Exception as error:  # bindings raise RuntimeError and ValueError with the kernel's words
            raise BadModel(f"LiteRT refuses it: {first_line(error)}", where=where) from None
        self.inputs: tuple[dict[str, Any], ...] = tuple(interpreter.get_input_details())
        self.outputs: tuple[dict[str, Any], ...] = tuple(interpreter.get_output_details())
        if not self.inputs or not self.outputs or not len(self.inputs[0]["shape"]):
            raise BadModel("has no input with a batch axis, or no output", where=where)
        self._interpreter = interpreter

    @property
    def input(self) -> dict[str, Any]:
        """What the interpreter says about the input: among others ``name``, ``shape``, ``dtype``, ``quantization``."""
        return self.inputs[0]

    @property
    def output(self) -> dict[str, Any]:
        """The same of the output."""
        return self.outputs[0]

    @property
    def batch(self) -> int:
        """How many inputs it takes at once."""
        return int(self.input["shape"][0])

    @property
    def surplus(self) -> tuple[str, ...]:
        """Names of what it gives out beside its output: other outputs, and what signatures call one."""
        index = self.output["index"]
        names = [str(each["name"]) for each in self.outputs[1:]]
        for key, signature in self._interpreter._get_full_signature_list().items():
            elsewhere = self._interpreter._interpreter.GetSubgraphIndexFromSignature(key) != 0
            for name, tensor in signature["outputs"].items():
                if elsewhere or tensor not in (index, *(each["index"] for each in self.outputs)):
                    names.append(f"{name} of signature {key}")
        return tuple(names)

    @property
    def kernels(self) -> str:
        """Which kernels a run goes through: ``xnnpack``, ``builtin``, or ``xnnpack, builtin``.

        The interpreter lists the operators of the file and the delegate's nodes that replace some of them, and not
        which of them run: those which the outputs come from, a delegate's node before those that it replaces.
        """
        made: dict[int, dict[str, Any]] = {}
        for node in self._interpreter._get_ops_details():
            for tensor in node["outputs"]:
                if int(tensor) not in made or node["op_name"] == _DELEGATE:
                    made[int(tensor)] = node
        wanted = [int(each["index"]) for each in self.outputs]
        seen: set[int] = set()
        found = set()
        while wanted:
            tensor = wanted.pop()
            if tensor not in seen and tensor in made:
                found.add("xnnpack" if made[tensor]["op_name"] == _DELEGATE else "builtin")
                wanted.extend(int(each) for each in made[tensor]["inputs"])
            seen.add(tensor)
        return ", ".join(sorted(found, reverse=True)) or "builtin"

    def run(self, inputs: Array) -> Array:
        """The output, ``[n, ...]`` as the model holds it, to any number of finished inputs.

        :param inputs: float32 ``[n, *input_shape]``; the session brings them to the grid of an integer input.
        :raises BadData: an integer input cannot hold them, for they are not finite.
        :raises BadModel: LiteRT fails while running the model.
        """
        fed = self.quantized(inputs)
        blocks = []
        for start in range(0, len(fed), self.batch):
            block = fed[start : start + self.batch]
            blocks.append(self.invoke(filled_up(block, self.batch))[: len(block)])
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

    def caller(self) -> Callable[[Array], Array]:
        """:meth:`invoke` with nothing around the interpreter's own three calls, for what is timed.

        It raises whatever the interpreter raises.
        """
        take, run, give = self._interpreter.set_tensor, self._interpreter.invoke, self._interpreter.get_tensor
        source, result = self.input["index"], self.output["index"]

        def call(block: Array) -> Array:
            take(source, block)
            run()
            outputs: Array = give(result)
            return outputs

        return call

    def quantized(self, inputs: Array) -> Array:
        """Finished inputs as the model takes them: on the grid of its input if that is of integers.

        :raises BadData: they are not finite, so that no integer stands for them.
        :raises BadModel: its input has integers without a grid.
        """
        dtype = np.dtype(self.input["dtype"])
        if dtype == np.float32:
            return inputs
        scale, zero_point = self.input["quantization"]
        if dtype.kind not in "iu" or not scale:
            raise BadModel(f"its input {self.input['name']!r} is {dtype} without a scale")
        if not np.isfinite(inputs).all():
            raise BadData("inputs hold NaN or infinity")
        limits = np.iinfo(dtype)
        steps = np.rint(inputs / np.float32(scale)) + np.float32(zero_point)
        return np.asarray(np.clip(steps, limits.min, limits.max), dtype)

    def dequantized(self, outputs: Array) -> Array:
        """What the model returned, as float: integers become what their grid says.

        :raises BadModel: its output has integers without a grid.
        """
        if outputs.dtype == np.float32:
            return outputs
        scale, zero_point = self.output["quantization"]
        if outputs.dtype.kind not in "iu" or not scale:
            raise BadModel(f"its output {self.output['name']!r} is {outputs.dtype} without a scale")
        return np.asarray((outputs.astype(np.float32) - np.float32(zero_point)) * np.float32(scale), np.float32)


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


def load_litert(model: Path | bytes, *, threads: int = 1, xnnpack: bool = True) -> LiteRtSession:
    """A session in this process, of however many inputs and outputs, whose first ones it runs; see :func:`open_litert`.

    :raises BadModel: LiteRT refuses the model.
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


def open_litert(model: Path | bytes, *, threads: int = 1, xnnpack: bool = True) -> LiteRtSession:
    """A session in this process: of a file that nobody here made, ask :func:`probe_tflite` first.

    :param model: a file, or a serialised model.
    :param threads: threads inside an operator.
    :param xnnpack: whether XNNPACK's kernels run where there are such, or only the built-in ones.
    :raises BadModel: LiteRT refuses the model, or it has several inputs or outputs.
    :raises DeviceError: no engine is installed here.
    """
    session = load_litert(model, threads=threads, xnnpack=xnnpack)
    counts = len(session.inputs), len(session.outputs)
    if counts != (1, 1):
        where = None if isinstance(model, bytes) else str(model)
        raise BadModel(f"has {counts[0]} inputs and {counts[1]} outputs, not one of each", where=where)
    return session


def litert_answerer(model: Path | bytes) -> Callable[[Array], Array]:
    """A function that runs a model: float32 inputs ``[n, *input_shape]`` to its only output, as the model holds it.

    :raises BadModel: LiteRT refuses it.
    """
    return open_litert(model).run
