"""Running a float TFLite model and watching its inner tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeguard.calibration.collect import Watch
from edgeguard.errors import BadModel
from edgeguard.export.tflite.convert import laid_out
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.litert_session import litert_engine

__all__ = ["watch_tflite"]

Array = np.ndarray[Any, Any]


def watch_tflite(data: bytes, tensors: Sequence[int]) -> Watch:
    """A function that gives some tensors of the only graph, by their indices, for inputs as the torch network takes
    them.

    :param data: of a model that edgeguard converted, with a batch of 1.
    """
    module, _, _ = litert_engine()
    # A delegate keeps what happens inside it to itself.
    interpreter = module.Interpreter(
        model_content=data,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]

    def watch(inputs: Array) -> list[Array]:
        rows = []
        for one in laid_out(inputs):
            try:
                interpreter.set_tensor(entry, one[None])
                interpreter.invoke()
            except Exception as error:  # bindings raise RuntimeError and ValueError with the kernel's words
                raise BadModel(f"LiteRT fails while running it: {first_line(error)}") from None
            rows.append([interpreter.get_tensor(index).reshape(1, -1) for index in tensors])
        return [np.concatenate(values) for values in zip(*rows, strict=True)]

    return watch
