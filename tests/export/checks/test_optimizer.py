"""Graph optimizations on against off."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto

import edgeguard.export.network as network_module
from edgeguard.calibration.sets import array_set
from edgeguard.errors import GuardFailed
from edgeguard.export.checks import optimizer_difference
from edgeguard.export.network import quantize
from edgeguard.export.request import QuantizationChoice
from tests.export.checks.models import exact, quantized
from tests.export.graphs import build, node, prepared, random_inputs
from tests.export.requests import Heard, request_for

INPUTS = random_inputs(16, (3, 16, 16))


def test_a_sound_network_does_not_move() -> None:
    assert optimizer_difference(exact(), INPUTS, None) < 1e-4
    # Two steps of the logits (a range of about 20 over 255): fused kernels round once where separate ones round twice.
    assert optimizer_difference(quantized(), INPUTS, None) < 0.16


def test_a_difference_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime itself is trusted here to be wrong: its optimized session answers for another network."""
    import edgeguard.export.checks.optimizer as module

    plain = build([node("Flatten", ["x"], "logits")], {}, shape=(10,))
    shifted = build([node("Flatten", ["x"], "f"), node("Add", ["f", "c"], "logits")], {"c": np.full(1, 0.75, "f4")},
                    shape=(10,))  # fmt: skip
    real = module.open_session

    def opened(data: bytes, *, threads: int, optimize: bool) -> onnxruntime.InferenceSession:
        return real(shifted.SerializeToString() if optimize else data, threads=threads)

    monkeypatch.setattr(module, "open_session", opened)
    assert optimizer_difference(plain, random_inputs(4, (10,)), None) == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize(("steps", "refused"), [(0.0, False), (7.9, False), (8.1, True)])
def test_more_than_eight_steps_stop_the_export(
    monkeypatch: pytest.MonkeyPatch, steps: float, refused: bool, tmp_path: object
) -> None:
    seen: list[float] = []

    def difference(model: ModelProto, inputs: np.ndarray[tuple[int, ...], np.dtype[np.float32]], batch: None) -> float:
        return steps * seen[0]

    def step(low: float, high: float) -> float:
        seen.append((high - low) / 255)
        return seen[0]

    monkeypatch.setattr(network_module, "optimizer_difference", difference)
    monkeypatch.setattr(network_module, "_step", step)
    request = request_for("model.onnx", "nowhere/model.edgeguard")
    data = array_set(INPUTS, synthetic=False)

    def export() -> float:
        facts = quantize(request, QuantizationChoice(), prepared(exact()), data, None, Heard()).quantization
        assert facts is not None
        return facts.optimizer_max_steps

    if refused:
        with pytest.raises(GuardFailed, match=r"move a logit by 8\.1 quantization steps \(onnxruntime#11576\)"):
            export()
    else:
        assert export() == pytest.approx(steps)
