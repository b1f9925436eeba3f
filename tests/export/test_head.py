"""What a classifier ends in, and cutting it back to its logits."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, checker, helper

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.errors import BadModel
from edgeguard.export.found_head import LOGITS
from edgeguard.export.head import attach, cut_to_logits, find_head
from tests.export.graphs import Array, build, count, node, random_inputs, run

WEIGHTS: dict[str, Array] = {"w": np.random.default_rng(1).normal(0, 0.2, (192, 10)).astype(np.float32)}


def classifier(*end: NodeProto, output: str = "out", opset: int = 20, classes: tuple[int, ...] = (10,)) -> ModelProto:
    """``x`` to the logits ``z`` by a dense layer, then ``end``."""
    nodes = [node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "z"), *end]
    constants = WEIGHTS | {"flat": np.array([0, 10], np.int64), "square": np.array([0, 10, 1, 1], np.int64)}
    used = {name for each in nodes for name in each.input}
    kept = {name: value for name, value in constants.items() if name in used}
    return build(nodes, kept, output=output, opset=opset, output_shape=("batch", *classes))


def logits(values: Array) -> Array:
    product: Array = values.reshape(len(values), -1) @ WEIGHTS["w"]
    return product


ENDS = {
    "logits": ("logits", [node("Identity", ["z"], "out")]),
    "softmax": ("posterior", [node("Softmax", ["z"], "out")]),
    "softmax over axis 1": ("posterior", [node("Softmax", ["z"], "out", axis=1)]),
    "log-softmax": ("log-posterior", [node("LogSoftmax", ["z"], "out", axis=-1)]),
    "softmax, flatten": ("posterior", [node("Softmax", ["z"], "s"), node("Flatten", ["s"], "out")]),
    "softmax, reshape": ("posterior", [node("Softmax", ["z"], "s"), node("Reshape", ["s", "flat"], "out")]),
    "reshape, softmax": ("posterior", [node("Reshape", ["z", "flat"], "s"), node("Softmax", ["s"], "out")]),
    "dropout, identity": ("logits", [node("Dropout", ["z"], "d"), node("Identity", ["d"], "out")]),
}


@pytest.mark.parametrize("name", sorted(ENDS))
def test_every_way_to_end_is_found_and_cut(name: str) -> None:
    kind, end = ENDS[name]
    model = classifier(*end)
    head = find_head(model)
    assert (head.kind, head.classes) == (kind, 10)
    cut = cut_to_logits(model, head)
    checker.check_model(cut, full_check=True)
    assert [value.name for value in cut.graph.output] == [LOGITS]
    assert not count(cut, "Softmax") + count(cut, "LogSoftmax")
    values = random_inputs(4)
    assert np.abs(run(cut, values) - logits(values)).max() < 1e-5
    assert model == classifier(*end)


@pytest.mark.parametrize("softmax", [[], [node("Softmax", ["q"], "out", axis=1)]], ids=["logits", "softmax"])
def test_a_trailing_1_by_1_map_is_flattened(softmax: list[NodeProto]) -> None:
    """As networks that end in a convolution and a pooling leave it: ``[batch, classes, 1, 1]``."""
    last = node("Reshape", ["z", "square"], "q" if softmax else "out")
    model = classifier(last, *softmax, classes=(10, 1, 1))
    cut = cut_to_logits(model, find_head(model))
    values = random_inputs(4)
    assert run(cut, values).shape == (4, 10)
    assert np.abs(run(cut, values) - logits(values)).max() < 1e-5


def test_the_batch_keeps_its_size_or_its_name() -> None:
    for batch in ("n", 4):
        model = build(
            [node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "z"), node("Softmax", ["z"], "out")],
            WEIGHTS,
            output="out",
            batch=batch,
            output_shape=(batch, 10),
        )
        dims = cut_to_logits(model, find_head(model)).graph.output[0].type.tensor_type.shape.dim
        assert (dims[0].dim_value or dims[0].dim_param, dims[1].dim_value) == (batch, 10)


def test_softmax_of_old_operator_sets_runs_over_all_further_axes() -> None:
    """Before set 13, ``axis`` (1 unless said) is where flattening starts: the same node means another thing there."""
    for opset, end in (
        (11, [node("Softmax", ["z"], "out")]),
        (11, [node("Reshape", ["z", "square"], "q"), node("Softmax", ["q"], "out", axis=1)]),
    ):
        model = classifier(*end, opset=opset, classes=(10, 1, 1) if len(end) == 2 else (10,))
        assert find_head(model).kind == "posterior"
    wrong = classifier(node("Softmax", ["z"], "out", axis=0), opset=20)
    with pytest.raises(BadModel, match="Softmax runs over an axis of None, not over the 10 classes"):
        find_head(wrong)


def test_a_softmax_over_the_wrong_axis_is_no_head() -> None:
    """Over the last axis of [batch, 10, 1, 1] a softmax is 1 everywhere; before set 13 the default axis is right."""
    end = [node("Reshape", ["z", "square"], "q"), node("Softmax", ["q"], "out")]
    with pytest.raises(BadModel, match="node 'n_out': Softmax runs over an axis of 1, not over the 10 classes"):
        find_head(classifier(*end, opset=13, classes=(10, 1, 1)))
    assert find_head(classifier(*end, opset=12, classes=(10, 1, 1))).kind == "posterior"


def two_outputs() -> ModelProto:
    model = classifier(node("Softmax", ["z"], "out"))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 10]))
    return model


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (two_outputs(), r"has 2 outputs \(out, z\); a classifier has one"),
        (build([node("Relu", ["x"], "out")], {}, output="out", output_shape=("b", 3, 8, 8)), r"returns \[batch, cl"),
        (build([node("ArgMax", ["x"], "out")], {}, output="out", element=TensorProto.INT64), "is int64, not float"),
        (build([node("Flatten", ["x"], "out")], {}, output="out", output_shape=("b", 192)), "is the input itself"),
        (
            build([node("ReduceMean", ["x"], "out", keepdims=0)], {}, output="out", output_shape=()),
            r"a classifier returns \[batch, classes\]",
        ),
        (
            build([node("Flatten", ["x"], "f"), node("Gemm", ["f", "v"], "out")],
                  {"v": np.ones((192, 1), np.float32)}, output="out", output_shape=("b", 1)),
            "has 1 class.*regression",
        ),
        (
            build([node("Softmax", ["x"], "out")], {}, shape=(10,), output="out"),
            "Softmax runs on the input itself",
        ),
    ],
    ids=["outputs", "map", "labels", "input", "scalar", "regression", "softmax"],
)  # fmt: skip
def test_what_is_no_classifier_is_refused_with_the_reason(model: ModelProto, said: str) -> None:
    with pytest.raises(BadModel, match=said):
        find_head(model)


def test_a_defended_file_is_not_defended_again() -> None:
    model = classifier(node("Identity", ["z"], "out"))
    cut = cut_to_logits(model, find_head(model))
    with pytest.raises(BadModel, match="ends in a defense of edgeguard already"):
        find_head(attach(cut, Head("logits", 10), Defense(Dcp())))


def test_an_undefended_export_can_be_exported_again() -> None:
    """The lab's float network ends in our own softmax, which is cut like any other."""
    model = classifier(node("Identity", ["z"], "out"))
    exported = attach(cut_to_logits(model, find_head(model)), Head("logits", 10), None)
    again = cut_to_logits(exported, find_head(exported))
    values = random_inputs(3)
    assert np.abs(run(attach(again, Head("logits", 10), None), values) - run(exported, values)).max() < 1e-6
