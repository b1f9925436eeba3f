"""Every defense as TFLite operators answers as numpy does, on every head and over logits of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgeguard.defenses.gate import SCORES, Score
from edgeguard.defenses.registry import DEFENSES
from edgeguard.export.tflite.flatbuffer import builtin, name_of, unpack
from edgeguard.runtimes.litert_session import open_litert
from tests.defenses.agreement import (
    check_alike,
    check_promises,
    examine_halfway,
    examine_posterior_head,
    tolerance,
)
from tests.defenses.backends import numpy_answer, tflite_answer, tflite_pass_through
from tests.defenses.fitted import defense
from tests.defenses.strategies import CLASSES, DTYPES, every_kind, head_of, held

Array = np.ndarray[Any, Any]

EACH = pytest.mark.parametrize("name", sorted(DEFENSES))
GATED = pytest.mark.parametrize("score", [None, *SCORES])


@EACH
@GATED
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", CLASSES)
def test_every_kind_of_logits(name: str, score: Score | None, dtype: str, classes: int) -> None:
    head = head_of(dtype, classes)
    raw, fitted = held(every_kind(classes, seed=7), head), defense(name, head, score)
    answers = tflite_answer(head, fitted)(raw)
    check_promises(answers, raw, fitted)
    check_alike(numpy_answer(head, fitted)(raw), answers, tolerance(fitted, head, raw))


@EACH
@GATED
@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_without_xnnpack(name: str, score: Score | None, dtype: str) -> None:
    head = head_of(dtype, 10)
    raw, fitted = held(every_kind(10, seed=7), head), defense(name, head, score)
    session = open_litert(tflite_pass_through(head, fitted), xnnpack=False)
    answers = np.concatenate([session.invoke(row[None]) for row in raw])
    check_promises(answers, raw, fitted)
    # That softmax takes the last classes of a row by other instructions: equal logits get unequal probabilities.
    compared = np.array([name != "top-k" or len(np.unique(row)) == len(row) for row in raw])
    assert compared.sum() >= 3
    allowed = tolerance(fitted, head, raw)
    check_alike(numpy_answer(head, fitted)(raw)[compared], answers[compared], allowed[compared])


@EACH
@GATED
def test_a_posterior_head_is_defended_as_it_stands(name: str, score: Score | None) -> None:
    examine_posterior_head(name, score, tflite_answer)


@pytest.mark.parametrize("scale", [0.25, 0.0725, 0.1, 1 / 3])
@pytest.mark.parametrize("name", ["codebook", "noise"])
def test_logits_halfway_between_two_steps_go_the_same_way(name: str, scale: float) -> None:
    examine_halfway(name, scale, tflite_answer, 500)


def resized(data: bytes, raw: Array) -> Array:
    """The answers to a whole batch at once, of a file that was written for one input."""
    interpreter = Interpreter(model_content=data)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], raw.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], raw)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(result["index"]))


@pytest.mark.parametrize("name", ["label", "codebook", "decoy"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [10, 100, 1000])
def test_a_resized_batch_is_answered_row_by_row(name: str, dtype: str, classes: int) -> None:
    head = head_of(dtype, classes)
    raw, fitted = held(every_kind(classes, seed=7), head), defense(name, head)
    assert np.array_equal(
        resized(tflite_pass_through(head, fitted, batched=True), raw), numpy_answer(head, fitted)(raw)
    )


@pytest.mark.parametrize("name", ["codebook", "decoy"])
def test_a_batch_that_a_file_does_not_allow_is_no_wrong_answer(name: str) -> None:
    head = head_of("uint8", 1000)
    raw = held(every_kind(1000, seed=7), head)
    with pytest.raises(RuntimeError, match="RESHAPE"):
        resized(tflite_pass_through(head, defense(name, head)), raw)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_table_answers_of_few_classes_take_four_operators(dtype: str) -> None:
    head = head_of(dtype, 10)
    kinds = {name: operators(tflite_pass_through(head, defense(name, head))) for name in ("label", "codebook", "decoy")}
    assert kinds["label"] == ["ARG_MAX", "EMBEDDING_LOOKUP"]
    assert kinds["codebook"] == kinds["decoy"] == ["DEQUANTIZE", "FULLY_CONNECTED", "ARG_MAX", "EMBEDDING_LOOKUP"]


def operators(data: bytes) -> list[str]:
    model = unpack(data)
    return [name_of(builtin(model, operator)) for operator in model.subgraphs[0].operators]


def test_the_same_defense_gives_the_same_bytes() -> None:
    head = head_of("int8", 10)
    fitted = defense("decoy", head, "max-logit")
    assert tflite_pass_through(head, fitted) == tflite_pass_through(head, fitted)


def test_constants_are_aligned() -> None:
    head = head_of("int8", 10)
    data = tflite_pass_through(head, defense("decoy", head, "max-logit"))
    view = np.frombuffer(data, np.uint8)
    start = view.__array_interface__["data"][0]
    places = [
        buffer.data.__array_interface__["data"][0] - start for buffer in unpack(data).buffers if buffer.data is not None
    ]
    assert len(places) > 3
    assert not [place for place in places if place % 16]


def test_nothing_but_the_answer_leaves_the_graph() -> None:
    head = head_of("int8", 10)
    (graph,) = unpack(tflite_pass_through(head, defense("dcp", head))).subgraphs
    assert [graph.tensors[index].name for index in graph.outputs] == [b"probabilities"]
