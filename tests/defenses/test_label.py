"""Label-only answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.label import Label
from edgeguard.export.onnx_ops import OnnxOps
from tests.defenses.backends import numpy_answer, onnx_answer

LABEL = Defense(Label())
LOGITS = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0], [0.0, 0.0, 0.0], [-9.0, -8.0, -7.0]], np.float32)
# Of equal entries the first one is the class, as for argmax.
EXPECTED = [1, 0, 0, 2]


@pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])
def test_the_answer_is_one_at_the_class_and_zero_elsewhere(backend: type) -> None:
    answers = backend(Head("logits", 3), LABEL)(LOGITS)
    np.testing.assert_array_equal(answers, np.eye(3, dtype=np.float32)[EXPECTED])


@pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])
def test_integer_logits_are_compared_as_they_are(backend: type) -> None:
    head = Head("logits", 3, "uint8", 0.1, 255)
    answers = backend(head, LABEL)(np.array([[0, 255, 254], [7, 7, 7]], np.uint8))
    np.testing.assert_array_equal(answers, np.eye(3, dtype=np.float32)[[1, 0]])


def test_answers_of_one_class_are_all_alike() -> None:
    answers = numpy_answer(Head("logits", 3), LABEL)(np.array([[0, 9, 0], [0, 0.1, 0]], np.float32))
    assert (answers[0] == answers[1]).all()
    assert LABEL.distinct_answers(3) == 3


def test_on_float_logits_it_is_one_operator() -> None:
    ops = OnnxOps(20)
    LABEL.answer(ops, Head("logits", 1000), "logits")
    assert [node.op_type for node in ops.nodes] == ["Hardmax"]
    assert not ops.initializers


def test_of_many_integer_classes_there_is_no_table_of_all_pairs() -> None:
    ops = OnnxOps(20)
    LABEL.answer(ops, Head("logits", 1000, "int8", 0.1, 0), "logits")
    assert max((int(np.prod(constant.dims)) for constant in ops.initializers), default=0) <= 1000
