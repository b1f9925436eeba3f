"""Every defense in the graph answers on the device as numpy does here: rows of tables exactly."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from device_tests.answering import graph_answers
from edgeguard.defenses.head import Head
from edgeguard.defenses.registry import DEFENSES
from edgeguard.fleet.transport import Transport
from tests.defenses.agreement import check_alike, check_promises, tolerance
from tests.defenses.backends import numpy_answer, pass_through, quantized, tflite_pass_through
from tests.defenses.fitted import GRID, defense

Array = np.ndarray[Any, Any]

_HEADS = {
    "float": Head("logits", 10),
    "uint8": Head("logits", 10, "uint8", GRID.scale, GRID.zero + 128),
    "int8": Head("logits", 10, "int8", GRID.scale, GRID.zero),
}
_BACKENDS = {"onnx": pass_through, "tflite": tflite_pass_through}
_SCORES = (None, "max-logit", "per-class-max-logit", "max-probability", "energy")
_CASES = [
    (head, name, score) for head, name, score in itertools.product(_HEADS, sorted(DEFENSES), (None, "max-logit"))
] + [("int8", "decoy", score) for score in _SCORES[2:]]


def _raw(head: Head) -> Array:
    """Logits of all confidences, with ties, as the head holds them."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (256, head.classes)) * rng.uniform(0.2, 8, (256, 1))
    logits[:16, 1] = logits[:16, 0]
    logits[16] = 0
    return logits.astype(np.float32) if head.scale is None else quantized(logits, head)


@pytest.fixture(scope="module")
def there(device: Transport, directory: str) -> dict[str, Array]:
    """The device's answers in every case, asked for once."""
    graphs = {
        str((backend, *case)): (
            _BACKENDS[backend](_HEADS[case[0]], defense(case[1], _HEADS[case[0]], case[2])),
            _raw(_HEADS[case[0]]),
        )
        for backend, case in itertools.product(_BACKENDS, _CASES)
    }
    return graph_answers(device, directory, graphs)


@pytest.mark.parametrize("backend", _BACKENDS)
@pytest.mark.parametrize(("kind", "name", "score"), _CASES)
def test_it_answers_as_numpy_does(there: dict[str, Array], kind: str, name: str, score: Any, backend: str) -> None:
    head = _HEADS[kind]
    made, raw = defense(name, head, score), _raw(head)
    found = there[str((backend, kind, name, score))]
    check_promises(found, raw, made)
    check_alike(numpy_answer(head, made)(raw), found, tolerance(made, head, raw))
