"""Label-only answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.defenses.head import Head
from edgeguard.defenses.label import Label
from tests.defenses.backends import numpy_answer, onnx_answer

LOGITS = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0], [0.0, 0.0, 0.0], [-9.0, -8.0, -7.0]], np.float32)
# Of equal entries the first one is the class, as for argmax.
EXPECTED = [1, 0, 0, 2]


@pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])
def test_the_answer_is_one_at_the_class_and_zero_elsewhere(backend: type) -> None:
    answers = backend(Head("logits", 3), Label())(LOGITS)
    np.testing.assert_array_equal(answers, np.eye(3, dtype=np.float32)[EXPECTED])


def test_answers_of_one_class_are_all_alike() -> None:
    answers = numpy_answer(Head("logits", 3), Label())(np.array([[0, 9, 0], [0, 0.1, 0]], np.float32))
    assert (answers[0] == answers[1]).all()
