"""What stands between torch and ONNX: networks that cannot be converted, and conversions that are not the network."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import nn

import edgeguard.export.loading.to_onnx as to_onnx
from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.loading.to_onnx import module_to_onnx, program_to_onnx, script_to_onnx
from tests.networks import SHAPE, Tiny, inputs, trained_tiny


class Pair(Tiny):
    """Returns its features too."""

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x), x


class Unexportable(nn.Module):
    """Decides by its input, which torch.export cannot follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        return flat[:, :10] if x.sum() > 0 else flat[:, 10:20]


class Broken(nn.Module):
    """Divides by zero."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :10] / torch.zeros(10)


def test_a_network_with_two_results() -> None:
    with pytest.raises(BadModel, match=r"returns tuple, not one tensor.*logits only"):
        module_to_onnx(Pair().eval(), SHAPE)


def test_a_network_that_fails_on_its_input() -> None:
    with pytest.raises(BadModel, match=r"fails on an input of shape \[1, 16, 16\]: .*channels"):
        module_to_onnx(trained_tiny(), (1, 16, 16))


def test_a_network_that_cannot_be_traced_and_silence_about_it(capfd: pytest.CaptureFixture[str]) -> None:
    """One line of ours instead of pages of the exporter's."""
    with pytest.raises(BadModel, match=r"cannot be converted to ONNX: .*torch\.onnx\.export yourself") as raised:
        module_to_onnx(Unexportable(), SHAPE)
    assert "\n" not in str(raised.value)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    assert logging.root.manager.disable == logging.NOTSET


def test_answers_that_are_not_finite() -> None:
    with pytest.raises(BadModel, match="NaN or infinity on random inputs"):
        script_to_onnx(torch.jit.script(Broken()), SHAPE)


@pytest.mark.parametrize("spoil", [lambda out: out * 1.01, lambda out: out[:, :5]], ids=["values", "shape"])
def test_an_onnx_model_that_is_not_the_network_is_refused(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> None:
    """Both forms, free batch and fixed, are checked, so neither is let through."""
    real = to_onnx.run_session
    monkeypatch.setattr(to_onnx, "run_session", lambda *arguments: spoil(real(*arguments)))
    script = torch.jit.script(trained_tiny())
    with pytest.raises(GuardFailed, match=r"the ONNX model (differs from the network|returns \[)"):
        script_to_onnx(script, SHAPE)


def test_it_is_checked_at_a_batch_that_the_exporter_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = to_onnx.run_session

    def counting(session: Any, values: Any, batch: int | None) -> Any:
        seen.append(len(values))
        return real(session, values, batch)

    monkeypatch.setattr(to_onnx, "run_session", counting)
    script_to_onnx(torch.jit.script(trained_tiny()), SHAPE)
    program = torch.export.export(trained_tiny(), (inputs(1),))
    program_to_onnx(program, SHAPE, 1)
    assert seen == [3, 1]
