"""Rows 12 and 13 of the anchors: graphs that expose what they should hide, and graphs that are no classifiers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper

from tests.artifacts import make_artifact, repack
from tests.cli.shell import assert_clean_failure, edgeguard
from tests.export.graphs import Array, build, node
from tests.export.hostile.networks import classifier, write
from tests.export.hostile.refusals import accept, refuse


def ending(
    nodes: list[NodeProto], output: str, shape: tuple[int | str, ...], *, constants: dict[str, Array] | None = None,
    element: int = TensorProto.FLOAT,
) -> ModelProto:  # fmt: skip
    """The classifier, its logits ``y`` followed by ``nodes``."""
    own, weights = classifier()
    return build(
        [*own, *nodes], weights | (constants or {}), output=output, output_shape=shape, opset=17, ir_version=8,
        element=element,
    )  # fmt: skip


def expose(model: ModelProto, name: str, shape: tuple[int | str, ...] | None = ("batch", 10)) -> None:
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def test_row_12_a_network_that_returns_its_logits_beside_its_probabilities(tmp_path: Path) -> None:
    model = ending([node("Softmax", ["y"], "p")], "p", ("batch", 10))
    expose(model, "y")
    refuse(write(model, tmp_path), "has 2 outputs (p, y)", "its only output")


@pytest.mark.parametrize("value", ["logits", "flat", "edgeguard/0_Softmax"])
def test_row_12_a_defended_artifact_that_still_exposes_what_it_hides(tmp_path: Path, value: str) -> None:
    def edit(model: ModelProto) -> None:
        assert value in {name for each in model.graph.node for name in each.output}
        expose(model, value, None)

    artifact = repack(make_artifact(tmp_path), model=edit)
    done = edgeguard("verify", artifact)
    assert_clean_failure(done, 3, str(artifact / "model.onnx"), f"a defended graph still exposes {value}", "Export it")
    assert done.stdout == ""


def flat_image(kind: str = "Relu") -> ModelProto:
    return build([node(kind, ["x"], "y")], {}, output="y", output_shape=("batch", 3, 8, 8), opset=17, ir_version=8)


def detector() -> ModelProto:
    model = ending([node("Relu", ["y"], "boxes")], "boxes", ("batch", 10))
    expose(model, "y")
    expose(model, "flat", ("batch", 192))
    return model


HEADS: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "segmentation": (flat_image, "a classifier returns [batch, classes]"),
    "segmentation-softmax": (lambda: flat_image("Softmax"), "a classifier returns [batch, classes]"),
    "detection": (detector, "has 3 outputs (boxes, y, flat)"),
    "regression": (
        lambda: ending([node("ReduceMean", ["y"], "mean", axes=[1])], "mean", ("batch", 1)),
        "has 1 class",
    ),
    "sigmoid": (
        lambda: ending(
            [node("ReduceSum", ["y", "axes"], "sum"), node("Sigmoid", ["sum"], "p")],
            "p", ("batch", 1), constants={"axes": np.array([1])},
        ),
        "has 1 class",
    ),
    "scalar": (lambda: ending([node("ReduceMean", ["y"], "mean", keepdims=0)], "mean", ()), "returns [batch, classes]"),
    "labels": (
        lambda: ending([node("ArgMax", ["y"], "k", axis=1, keepdims=0)], "k", ("batch",), element=TensorProto.INT64),
        "is int64, not float",
    ),
    "softmax-over-the-batch": (
        lambda: ending([node("Softmax", ["y"], "p", axis=0)], "p", ("batch", 10)),
        "not over the 10 classes",
    ),
    "softmax-over-half": (
        lambda: ending(
            [
                node("Reshape", ["y", "two"], "halves"),
                node("Softmax", ["halves"], "parts", axis=2),
                node("Reshape", ["parts", "one"], "p"),
            ],
            "p", ("batch", 10), constants={"two": np.array([-1, 2, 5]), "one": np.array([-1, 10])},
        ),
        "over an axis of 5, not over the 10 classes",
    ),
    "nothing-but-a-softmax": (
        lambda: build(
            [node("Softmax", ["x"], "p")], {}, shape=(192,), output="p", output_shape=("batch", 192), opset=17,
            ir_version=8,
        ),
        "there is no network to defend",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADS)
def test_row_13_no_classification_head(tmp_path: Path, kind: str) -> None:
    model, said = HEADS[kind]
    refuse(write(model(), tmp_path), said)


def test_classes_behind_two_axes_of_one_are_a_classifier(tmp_path: Path) -> None:
    model = ending(
        [node("Reshape", ["y", "s"], "z")], "z", ("batch", 10, 1, 1), constants={"s": np.array([-1, 10, 1, 1])}
    )
    accept(write(model, tmp_path))


def test_a_softmax_over_the_classes_is_a_classifier(tmp_path: Path) -> None:
    accept(write(ending([node("LogSoftmax", ["y"], "p", axis=1)], "p", ("batch", 10)), tmp_path))


def test_answers_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = ending([node("Div", ["y", "zero"], "z")], "z", ("batch", 10), constants={"zero": np.array(0, np.float32)})
    refuse(write(model, tmp_path), "NaN or infinity")
