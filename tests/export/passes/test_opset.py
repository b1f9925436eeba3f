"""Bringing a model to the target's operator set and IR version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, checker

import edgeguard.export.passes.opset as opset_module
from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.passes.opset import Opset, model_opset
from edgeguard.targets import find_target
from tests.export.graphs import Array, build, node, random_inputs, run

TARGET = find_target("arm64")


def network(opset: int, ir_version: int = 9) -> ModelProto:
    """Two operators whose form changed: squeezing takes its axes as an input from set 13 on, softmax one axis."""
    weights: dict[str, Array] = {"w": np.random.default_rng(0).normal(0, 0.2, (10, 3, 8, 8)).astype(np.float32)}
    squeeze = node("Squeeze", ["c"], "s", axes=[2, 3]) if opset < 13 else node("Flatten", ["c"], "s")
    nodes = [node("Conv", ["x", "w"], "c"), squeeze, node("Softmax", ["s"], "out", axis=1)]
    return build(nodes, weights, output="out", opset=opset, ir_version=ir_version)


@pytest.mark.parametrize("opset", [8, 9, 11, 12, 13, 17, 19, 20])
def test_older_sets_are_brought_up_and_compute_the_same(opset: int) -> None:
    model = network(opset)
    Opset(TARGET).requires(model)
    converted = Opset(TARGET).run(model)
    Opset(TARGET).ensures(model, converted)
    checker.check_model(converted, full_check=True)
    assert (model_opset(converted), converted.ir_version) == (TARGET.opset, TARGET.ir_version)
    assert model_opset(model) == opset
    values = random_inputs(4)
    assert np.abs(run(converted, values) - run(model, values)).max() < 1e-6


def dense(opset: int, ir_version: int = 10) -> ModelProto:
    """Gemm, Relu and Softmax are in set 24 what they were in set 13 and 14."""
    weights: dict[str, Array] = {"w": np.random.default_rng(0).normal(0, 0.2, (192, 10)).astype(np.float32)}
    nodes = [node("Gemm", ["x", "w"], "g"), node("Relu", ["g"], "r"), node("Softmax", ["r"], "out")]
    return build(nodes, weights, shape=(192,), output="out", opset=opset, ir_version=ir_version)


@pytest.mark.parametrize("opset", [21, 22, 24])
def test_newer_sets_are_relabelled_where_the_operators_are_older(opset: int) -> None:
    model = dense(opset)
    Opset(TARGET).requires(model)
    converted = Opset(TARGET).run(model)
    Opset(TARGET).ensures(model, converted)
    assert (model_opset(converted), converted.ir_version) == (20, 9)
    values = random_inputs(4, (192,))
    assert np.array_equal(run(converted, values), run(dense(20, 9), values))


@pytest.mark.parametrize("opset", [21, 22, 24])
def test_operators_that_only_learned_more_types_are_converted_down(opset: int) -> None:
    """Flatten is newer from set 21 on, Conv from 22 on."""
    model = network(opset, 10)
    Opset(TARGET).requires(model)
    converted = Opset(TARGET).run(model)
    Opset(TARGET).ensures(model, converted)
    assert (model_opset(converted), converted.ir_version) == (20, 9)
    values = random_inputs(4)
    assert np.array_equal(run(converted, values), run(network(20), values))


def test_operators_that_the_target_does_not_have_are_named() -> None:
    held = {"s": np.ones(192, np.float32)}
    nodes = [node("RMSNormalization", ["x", "s"], "r"), node("Softmax", ["r"], "out")]
    model = build(nodes, held, shape=(192,), output="out", output_shape=("batch", 192), opset=23, ir_version=10)
    with pytest.raises(BadModel, match=r"^RMSNormalization need a newer operator set than 20.*arm64.*opset_version"):
        Opset(TARGET).requires(model)


def test_operators_that_cannot_be_converted_down_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(model: ModelProto, version: int) -> ModelProto:
        raise RuntimeError("no adapter")

    monkeypatch.setattr(opset_module.version_converter, "convert_version", failing)
    with pytest.raises(BadModel, match=r"^Conv, Flatten need a newer operator set than 20"):
        Opset(TARGET).run(network(22, 10))


def test_a_target_of_its_own() -> None:
    """A profile with an older runtime gets the older form, IR version included."""
    old = replace(TARGET, opset=17, ir_version=8)
    converted = Opset(old).run(network(12))
    Opset(old).ensures(network(12), converted)
    assert (model_opset(converted), converted.ir_version) == (17, 8)


def test_a_set_that_cannot_be_converted_all_the_way_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(model: ModelProto, version: int) -> ModelProto:
        if version > 15:
            raise RuntimeError("no adapter\nand a backtrace")
        return convert(model, version)

    convert = opset_module.version_converter.convert_version
    monkeypatch.setattr(opset_module.version_converter, "convert_version", failing)
    assert model_opset(Opset(TARGET).run(network(9))) == 15
    assert model_opset(Opset(TARGET).run(network(16))) == 16


def test_a_set_that_cannot_even_reach_13_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(model: ModelProto, version: int) -> ModelProto:
        raise RuntimeError("no adapter for Upsample\nand a backtrace")

    monkeypatch.setattr(opset_module.version_converter, "convert_version", failing)
    with pytest.raises(BadModel, match=r"set 9 cannot be converted to 13 or later: no adapter for Upsample\. Export"):
        Opset(TARGET).run(network(9))


def too_new(model: ModelProto) -> None:
    model.opset_import[0].version = 21


def too_new_ir(model: ModelProto) -> None:
    model.ir_version = 10


def invalid(model: ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def renamed(model: ModelProto) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "other"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (too_new, "newer than the target's"),
        (too_new_ir, "newer than the target's"),
        (invalid, "invalid after conversion"),
        (renamed, "changed the outputs"),
    ],
)
def test_its_guards(spoil: Callable[[ModelProto], None], said: str) -> None:
    after = network(20)
    Opset(TARGET).ensures(network(20), after)
    spoil(after)
    with pytest.raises(GuardFailed, match=said):
        Opset(TARGET).ensures(network(20), after)
