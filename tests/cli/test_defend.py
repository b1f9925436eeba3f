"""``edgeguard defend``: classifiers that others exported, float and quantized in every form that ONNX Runtime makes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from edgeguard.artifact import open_artifact
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.label import Label
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.runtimes import load
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.runtimes.verify import verify
from tests.artifacts import random_images, random_network
from tests.cli.inprocess import Here
from tests.export.graphs import Array, build, count, node, random_inputs

INPUTS = random_images(64).transpose(0, 3, 1, 2).astype(np.float32) / 255


class Batches(CalibrationDataReader):  # type: ignore[misc]
    """One input at a time, as ONNX Runtime's quantizer wants them."""

    def __init__(self) -> None:
        self._left: Iterator[Array] = iter(INPUTS[:, None])

    def get_next(self) -> dict[str, Array] | None:
        value = next(self._left, None)
        return None if value is None else {network().graph.input[0].name: value}


def network(*, softmax: bool = False) -> ModelProto:
    model = random_network()
    if softmax:
        logits = model.graph.output[0]
        model.graph.node.append(helper.make_node("Softmax", [logits.name], ["p"], name="softmax", axis=-1))
        logits.name = "p"
    return model


def quantized(folder: Path, model: ModelProto, form: QuantFormat, *, exclude: tuple[str, ...] = ()) -> ModelProto:
    """What ``onnxruntime.quantization.quantize_static`` makes of a model."""
    onnx.save(model, folder / "float.onnx")
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            folder / "float.onnx",
            folder / "quantized.onnx",
            Batches(),
            quant_format=form,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(exclude),
        )
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(folder / "quantized.onnx")


def posterior(model: ModelProto) -> Array:
    """What the model says of ``INPUTS``, logits through a softmax."""
    raw = run_session(open_session(model.SerializeToString()), INPUTS, None)
    return raw if np.abs(raw.sum(axis=-1) - 1).max() < 1e-3 else NumpyOps().softmax(raw)


@pytest.mark.parametrize("softmax", [False, True], ids=["logits", "softmax"])
@pytest.mark.parametrize("form", [None, QuantFormat.QDQ, QuantFormat.QOperator], ids=str)
def test_answers_are_the_defended_ones_of_the_network_as_it_came(
    desk: Path, here: Here, form: QuantFormat | None, softmax: bool
) -> None:
    model = network(softmax=softmax)
    if form is not None:
        model = quantized(desk, model, form, exclude=("softmax",))
    onnx.save(model, "classifier.onnx")
    done = here("defend", "classifier.onnx", "--defense", "label", "--preprocess", "unit", "-o", "out.edgeguard")
    assert done.code == 0, done.err
    assert f"a classifier of 10 classes that ends in {'a softmax' if softmax else 'logits'}" in done.err
    assert verify(Path("out.edgeguard")).passed
    plain = posterior(model)
    np.testing.assert_array_equal(
        load("out.edgeguard").answer(INPUTS),
        Defense(Label()).answer(NumpyOps(), Head("posterior", plain.shape[1]), plain),
    )
    lab = open_artifact(Path("out.edgeguard")).manifest.lab
    assert set(lab) == {"float.onnx" if form is None else "int8.onnx"}


def test_the_network_itself_is_left_alone(desk: Path, here: Here) -> None:
    model = quantized(desk, network(), QuantFormat.QDQ)
    onnx.save(model, "classifier.onnx")
    usual = ("--defense", "dcp", "--preprocess", "unit", "-o", "out.edgeguard")
    assert here("defend", "classifier.onnx", *usual).code == 0
    deployed = onnx.load("out.edgeguard/model.onnx")
    before = [(each.op_type, each.name) for each in model.graph.node]
    assert [(each.op_type, each.name) for each in deployed.graph.node][: len(before)] == before
    kept = {each.name: each.SerializeToString() for each in deployed.graph.initializer}
    assert all(kept[each.name] == each.SerializeToString() for each in model.graph.initializer)
    assert [output.name for output in deployed.graph.output] == ["probabilities"]


def test_a_rounded_softmax_is_taken_off_with_its_rounding(desk: Path, here: Here) -> None:
    """ONNX Runtime quantizes Softmax by default; what a defense changes by less than 1/512 would vanish after it."""
    model = quantized(desk, network(softmax=True), QuantFormat.QDQ)
    assert count(model, "DequantizeLinear") > count(quantized(desk, network(), QuantFormat.QDQ), "DequantizeLinear")
    onnx.save(model, "classifier.onnx")
    usual = ("--defense", "dcp", "--preprocess", "unit", "-o", "out.edgeguard")
    done = here("defend", "classifier.onnx", *usual)
    assert done.code == 0, done.err
    assert "ends in a softmax" in done.err
    answers = load("out.edgeguard").answer(INPUTS)
    # On the 1/256 grid of the rounded softmax the entries of a row could not be this small and still differ from 0.
    assert ((answers > 0) & (answers < 1 / 1024)).any()


def test_a_softmax_on_integers_is_refused(desk: Path, here: Here) -> None:
    onnx.save(quantized(desk, network(softmax=True), QuantFormat.QOperator), "classifier.onnx")
    here("defend", "classifier.onnx", "--preprocess", "unit").failed(3, "softmax on integers", "nodes_to_exclude")
    assert not Path("classifier.edgeguard").exists()


def test_measured_figures_do_not_speak_of_a_float_network_that_is_not_there(desk: Path, here: Here) -> None:
    model = quantized(desk, network(), QuantFormat.QDQ)
    onnx.save(model, "classifier.onnx")
    labels = posterior(model).argmax(axis=-1)
    labels[:16] = (labels[:16] + 1) % 10
    np.savez("images.npz", x=random_images(64), y=labels)
    done = here("defend", "classifier.onnx", "--defense", "label", "--preprocess", "unit", "--validation", "images.npz")
    assert done.code == 0, done.err
    assert "accuracy: undefended 75.00%, deployed 75.00%" in done.out
    assert "agreement with the model as it came: 100.00% of 64" in done.out
    told = json.loads(here("accuracy", "classifier.edgeguard", "--data", "images.npz", "--json").out)
    assert told["accuracy_float"] is None
    assert told["accuracy_undefended"]["value"] == pytest.approx(0.75)


def test_export_points_to_defend_and_defend_to_export(desk: Path, here: Here) -> None:
    onnx.save(quantized(desk, network(), QuantFormat.QDQ), "classifier.onnx")
    here("export", "classifier.onnx", "--defend").failed(3, "quantized already", "edgeguard defend")
    Path("model.pt").write_bytes(b"PK\x03\x04" + bytes(60))
    here("defend", "model.pt").failed(3, "torch file", "edgeguard export --defend")


DENSE = {"w": np.random.default_rng(0).normal(0, 0.2, (192, 10)).astype(np.float32)}
LAYERS = [node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "m")]


@pytest.mark.parametrize("command", ["defend", "export --defend"])
@pytest.mark.parametrize(
    ("end", "words"),
    [
        ([node("Sigmoid", ["m"], "logits")], ("Sigmoid", "no posterior")),
        (
            [
                node("Exp", ["m"], "e"),
                node("ReduceSum", ["e", "axes"], "s", keepdims=1),
                node("Div", ["e", "s"], "logits"),
            ],
            ("a posterior already", "up to its logits"),
        ),
    ],
    ids=["sigmoid", "softmax by hand"],
)
def test_answers_that_are_no_logits_are_not_taken_for_logits(
    desk: Path, here: Here, command: str, end: list[onnx.NodeProto], words: tuple[str, ...]
) -> None:
    """A softmax on top of them would leave next to nothing of what the network knows."""
    onnx.save(build([*LAYERS, *end], DENSE | {"axes": np.array([-1])}), "classifier.onnx")
    name, *options = command.split()
    here(name, "classifier.onnx", *options).failed(3, *words)


def test_the_same_network_with_logits_is_fine(desk: Path, here: Here) -> None:
    onnx.save(build([LAYERS[0], node("MatMul", ["f", "w"], "logits")], DENSE), "classifier.onnx")
    assert here("defend", "classifier.onnx", "--defense", "label").code == 0
    answers = load("classifier.edgeguard").answer(random_inputs(5))
    assert (answers.max(axis=-1) == 1).all()
