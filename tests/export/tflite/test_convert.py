"""From torch to a float TFLite model, and what cannot go there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgeguard.errors import BadModel, GuardFailed, MissingExtra
from edgeguard.export.tflite import convert as under_test
from edgeguard.export.tflite.convert import convert, laid_out, layout_of
from edgeguard.runtimes.litert_session import open_litert
from tests.export.tflite.needs import needs_litert_torch
from tests.networks import SHAPE, Tiny, inputs, trained_tiny


def test_images_come_with_their_channels_last_and_nothing_else_does() -> None:
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    assert layout_of((2, 3, 4)) == "NHWC"
    assert laid_out(image).shape == (1, 3, 4, 2)
    assert laid_out(image)[0, 1, 2, 1] == image[0, 1, 1, 2]
    assert layout_of((40,)) == layout_of((49, 10)) == "unchanged"
    assert laid_out(image[0]) is not None
    assert laid_out(image.reshape(1, 24)).shape == (1, 24)


def test_torchscript_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadModel, match=r"TorchScript.*state_dict"):
        convert(torch.jit.script(trained_tiny()), SHAPE)


def test_a_missing_converter_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"edgeguard\[tflite\]"):
        convert(trained_tiny(), SHAPE)


@needs_litert_torch
def test_answers_are_the_networks_and_the_interface_is_ours(converted_tiny: bytes, network: Tiny) -> None:
    session = open_litert(converted_tiny)
    assert tuple(session.input["shape"]) == (1, 16, 16, 3)
    assert tuple(session.output["shape"]) == (1, 10)
    assert session.output["dtype"] is np.float32
    batch = inputs(5)
    with torch.no_grad():
        expected = network(batch).numpy()
    np.testing.assert_allclose(session.run(laid_out(batch.numpy())), expected, rtol=1e-4, atol=1e-4)


@needs_litert_torch
def test_the_same_network_gives_the_same_bytes(converted_tiny: bytes, network: Tiny) -> None:
    assert convert(network, SHAPE) == converted_tiny


@needs_litert_torch
def test_nothing_is_printed_and_nothing_left_behind(
    network: Tiny, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    convert(network, SHAPE)
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []


@needs_litert_torch
def test_inputs_that_are_no_images_stay_as_they_are() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    session = open_litert(convert(network, (12,)))
    assert tuple(session.input["shape"]) == (1, 12)


@needs_litert_torch
def test_a_network_that_the_converter_cannot_follow_is_refused() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values: torch.Tensor = torch.linalg.eigvals(x[:, 0]).real
            return values

    with pytest.raises(BadModel, match="litert-torch cannot convert it"):
        convert(Odd(), (1, 4, 4))


@needs_litert_torch
def test_a_network_that_cannot_be_traced_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    class Undecided(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)) if x.sum() > 0 else x.amax((2, 3))

    with pytest.raises(BadModel, match="cannot be traced"):
        convert(Undecided(), SHAPE)
    assert capfd.readouterr() == ("", "")


@needs_litert_torch
def test_a_converter_that_dies_is_an_error_and_no_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\nkill -SEGV $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr(under_test.sys, "executable", str(dying))
    with pytest.raises(BadModel, match="SIGSEGV"):
        convert(trained_tiny(), SHAPE)


@needs_litert_torch
def test_another_function_is_noticed(monkeypatch: pytest.MonkeyPatch, converted_tiny: bytes) -> None:
    monkeypatch.setattr(under_test, "_run_child", lambda _, result, *__: result.write_bytes(converted_tiny))
    with pytest.raises(GuardFailed, match="differs from the network"):
        convert(trained_tiny(seed=1), SHAPE)
