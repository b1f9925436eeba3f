"""Sessions are fed in blocks, and nobody notices."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

from edgeguard.cpu import parse_cpuinfo
from edgeguard.runtimes.ort_session import open_session, run_session
from tests.bench.machines import PI5_CPUINFO, X86_CPUINFO, ZEN5_CPUINFO
from tests.calibration.networks import convolutions, whole_inputs

_EXACTLY = "session.x64quantprecision"


def test_many_inputs_answer_as_each_alone() -> None:
    session = open_session(convolutions())
    inputs = whole_inputs(37, seed=0)
    alone = [run_session(session, image[None], None) for image in inputs]
    np.testing.assert_array_equal(run_session(session, inputs, None), np.concatenate(alone))


def test_no_input_has_no_answer() -> None:
    session = open_session(convolutions())
    assert len(run_session(session, whole_inputs(1, seed=0)[:0], None)) == 0


def test_sums_of_large_products_do_not_saturate() -> None:
    """Two products of 255 and 127 are more than 16 bits hold, which is where x86 without VNNI adds them."""
    text = """<ir_version: 9, opset_import: ["" : 20]>
    g (uint8[n, 64] x) => (int32[n, 16] y) { y = MatMulInteger(x, w) }"""
    model = onnx.parser.parse_model(text)
    weights = np.random.default_rng(0).choice(np.array([-128, 127], np.int8), (64, 16))
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    inputs = np.full((3, 64), 255, np.uint8)
    answers = run_session(open_session(model.SerializeToString()), inputs, None)
    np.testing.assert_array_equal(answers, inputs.astype(np.int32) @ weights.astype(np.int32))


@pytest.mark.parametrize("cpuinfo", [X86_CPUINFO, ""])
def test_processors_that_saturate_take_the_exact_way(monkeypatch: pytest.MonkeyPatch, cpuinfo: str) -> None:
    monkeypatch.setattr("edgeguard.runtimes.ort_session.this_cpu", lambda: parse_cpuinfo(cpuinfo))
    options = open_session(convolutions()).get_session_options()
    assert options.get_session_config_entry(_EXACTLY) == "1"


@pytest.mark.parametrize("cpuinfo", [ZEN5_CPUINFO, PI5_CPUINFO])
def test_no_other_processor_is_slowed_down(monkeypatch: pytest.MonkeyPatch, cpuinfo: str) -> None:
    monkeypatch.setattr("edgeguard.runtimes.ort_session.this_cpu", lambda: parse_cpuinfo(cpuinfo))
    options = open_session(convolutions()).get_session_options()
    with pytest.raises(RuntimeError, match=_EXACTLY):
        options.get_session_config_entry(_EXACTLY)
