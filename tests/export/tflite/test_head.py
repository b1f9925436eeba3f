"""What TFLite classifiers end in, and how they are cut and ended otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.errors import BadModel
from edgeguard.export.tflite.flatbuffer import unpack
from edgeguard.export.tflite.head import attach_tflite, cut_tflite, expose_tflite_integers, find_tflite_head
from edgeguard.export.tflite.tail import Tail, Value
from edgeguard.runtimes.litert_session import open_litert
from tests.export.tflite.flat import CLASSES, FEATURES, Operator, classifier, edited, softmax

Array = np.ndarray[Any, Any]


def run(data: bytes) -> Array:
    inputs = np.random.default_rng(1).standard_normal((8, FEATURES)).astype(np.float32)
    return open_litert(data).run(inputs)


def unary(kind: int) -> Any:
    return lambda tail, value: tail.add(kind, [value], value.shape)


def integers(tail: Tail, value: Value) -> Value:
    """The value in int8, on a grid of 1/16."""
    held = tail.add(Operator.QUANTIZE, [value], value.shape, dtype=np.int8)
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = np.array([1 / 16], np.float32), np.array([3], np.int64)
    tail._graph.tensors[held.index].quantization = quantization
    return held


@pytest.mark.parametrize(
    ("ends", "kind"),
    [((), "logits"), ((softmax,), "posterior"), ((unary(Operator.LOG_SOFTMAX),), "log-posterior")],
)
@pytest.mark.parametrize("shape", [None, (1, 1, 1, CLASSES)])
def test_kinds_of_ends_and_the_logits_before_them(ends: tuple[Any, ...], kind: str, shape: Any) -> None:
    data = classifier(*ends, shape=shape)
    head = find_tflite_head(data)
    assert (head.kind, head.classes) == (kind, CLASSES)
    assert np.array_equal(run(cut_tflite(data, head)), run(classifier()))


def test_a_softmax_before_other_carriers_is_found() -> None:
    data = classifier(softmax, lambda tail, value: tail.reshape(value, (1, CLASSES)))
    assert find_tflite_head(data).kind == "posterior"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (classifier(unary(Operator.LOGISTIC)), "several may be true at once"),
        (classifier(lambda tail, value: softmax(tail, value, 2.0)), "beta of 2"),
        (classifier(lambda tail, value: tail.cast(value, np.int32)), "labels or detections"),
        (classifier(classes=1), "has 1 class"),
        (classifier(shape=(1, 2, 2)), "a classifier returns"),
        (classifier(shape=(2, 2)), "2 rows for a batch of 1"),
        (edited(classifier(), lambda model: setattr(model.subgraphs[0], "outputs", np.array([3, 3]))), "2 outputs"),
        (edited(classifier(), lambda model: setattr(model.subgraphs[0], "outputs", np.array([0]))), "no network"),
        (edited(classifier(), lambda model: setattr(model, "subgraphs", [])), "no graph"),
        (b"TFL3" * 9, "cannot be read"),
    ],
)
def test_what_is_no_classifier(data: bytes, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        find_tflite_head(data)


def test_a_defended_file_is_not_defended_again() -> None:
    cut = cut_tflite(classifier(), find_tflite_head(classifier()))
    with pytest.raises(BadModel, match="a defense of edgeguard already"):
        find_tflite_head(attach_tflite(cut, Head("logits", CLASSES), Defense(Dcp())))


def test_answers_are_the_posterior_of_the_logits() -> None:
    cut = cut_tflite(classifier(), find_tflite_head(classifier()))
    logits, answers = run(cut).astype(np.float64), run(attach_tflite(cut, Head("logits", CLASSES), None))
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    assert np.abs(answers - exponentials / exponentials.sum(axis=-1, keepdims=True)).max() < 1e-6


def test_integer_logits_are_exposed_with_their_grid() -> None:
    data = classifier(integers, softmax_of_integers)
    cut = cut_tflite(data, find_tflite_head(data))
    exposed, head = expose_tflite_integers(cut)
    assert head == Head("logits", CLASSES, "int8", 1 / 16, 3)
    assert np.array_equal((run(exposed).astype(np.float32) - 3) / 16, run(cut))


def softmax_of_integers(tail: Tail, value: Value) -> Value:
    held = tail.add(Operator.SOFTMAX, [value], value.shape, options=_plain(), dtype=np.int8)
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = np.array([1 / 256], np.float32), np.array([-128], np.int64)
    tail._graph.tensors[held.index].quantization = quantization
    return held


def _plain() -> Any:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return options


def test_float_logits_are_no_integers() -> None:
    with pytest.raises(BadModel, match="no dequantized integer tensor"):
        expose_tflite_integers(cut_tflite(classifier(), find_tflite_head(classifier())))


def test_signatures_lead_to_the_answer_under_their_own_names() -> None:
    data = classifier(softmax)
    defended = attach_tflite(cut_tflite(data, find_tflite_head(data)), Head("logits", CLASSES), None)
    call = Interpreter(model_content=defended).get_signature_runner("serving_default")
    inputs = np.random.default_rng(1).standard_normal((1, FEATURES)).astype(np.float32)
    assert np.array_equal(call(x=inputs)["scores"], open_litert(defended).run(inputs))


def test_what_followed_the_logits_is_gone() -> None:
    data = classifier(unary(Operator.LOG_SOFTMAX))
    (graph,) = unpack(cut_tflite(data, find_tflite_head(data))).subgraphs
    assert len(graph.operators) == 1
    # The input, two constants and the logits.
    assert len(graph.tensors) == 4


def test_metadata_are_kept() -> None:
    def describe(model: Any) -> None:
        entry, buffer = schema.MetadataT(), schema.BufferT()
        buffer.data = np.frombuffer(b"what is known of it", np.uint8)
        model.buffers.append(buffer)
        entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers) - 1
        model.metadata = [entry]

    data = edited(classifier(softmax), describe)
    model = unpack(cut_tflite(data, find_tflite_head(data)))
    (entry,) = model.metadata
    assert entry.name == b"TFLITE_METADATA"
    assert bytes(model.buffers[entry.buffer].data) == b"what is known of it"
