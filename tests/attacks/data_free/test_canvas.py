"""What a generator may paint: the range that the victim's preprocessing gives to images, in each channel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.data_free.canvas import Canvas, canvas_of
from edgeguard.attacks.data_free.generator import Generator, painted
from edgeguard.errors import UsageError
from edgeguard.preprocess import Preprocess, preset


def _box(preprocess: Preprocess | None, shape: tuple[int, ...] = (3, 12, 10)) -> BlackBox:
    return BlackBox("box", lambda inputs: inputs, shape, preprocess)


@pytest.mark.parametrize("name", ["unit", "raw255", "cifar10", "mobilenet-v1"])
def test_its_ends_are_what_black_and_white_images_become(name: str) -> None:
    preprocess = preset(name, (3, 12, 10))
    canvas = canvas_of(_box(preprocess))
    ends = preprocess([np.zeros((12, 10, 3), np.uint8), np.full((12, 10, 3), 255, np.uint8)])
    np.testing.assert_allclose(canvas.low, ends[0, :, 0, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(canvas.high, ends[1, :, 0, 0], rtol=1e-5, atol=1e-6)
    assert (min(canvas.low), max(canvas.high)) == pytest.approx(preprocess.value_range)


def test_a_negative_scale_turns_the_ends_around() -> None:
    canvas = canvas_of(_box(Preprocess((12, 10), scale=-1 / 255)))
    assert (canvas.low, canvas.high) == (pytest.approx((-1.0,) * 3), pytest.approx((0.0,) * 3))


@given(
    sketch=st.floats(-1e6, 1e6, width=32),
    low=st.lists(st.floats(-300, 300), min_size=2, max_size=2),
    spans=st.lists(st.floats(1e-3, 600), min_size=2, max_size=2),
)
@settings(max_examples=50, deadline=None)
def test_whatever_is_sketched_the_image_is_on_it(sketch: float, low: list[float], spans: list[float]) -> None:
    high = [start + span for start, span in zip(low, spans, strict=True)]
    canvas = Canvas((2, 1, 1), tuple(low), tuple(high))
    image = painted(torch.full((1, 2, 1, 1), sketch), canvas).numpy()[0, :, 0, 0]
    assert (image >= np.float32(low)).all()
    assert (image <= np.float32(high)).all()
    if abs(sketch) > 20:
        np.testing.assert_allclose(image, high if sketch > 0 else low, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 7, 9), (3, 1, 2)])
def test_a_generator_fills_canvases_of_every_size_and_uses_their_range(shape: tuple[int, int, int]) -> None:
    low, high = tuple(range(-shape[0], 0)), tuple(range(2, 2 + shape[0]))
    canvas = Canvas(shape, low, high)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(8, 4, canvas)
    images = painted(generator(torch.randn(64, 8, generator=torch.Generator().manual_seed(1))), canvas)
    assert images.shape == (64, *shape)
    for channel in range(shape[0]):
        middle, span = (low[channel] + high[channel]) / 2, high[channel] - low[channel]
        assert images[:, channel].max() > middle + span / 4
        assert images[:, channel].min() < middle - span / 4


@pytest.mark.parametrize(
    ("box", "match"),
    [
        (_box(None), "no images"),
        (_box(preset("unit", (12, 10, 3), "nhwc"), (12, 10, 3)), "channels come last"),
    ],
)
def test_victims_that_no_image_can_be_painted_for(box: BlackBox, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        canvas_of(box)


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [((1, 0, 4), (0.0,), (1.0,)), ((3, 4, 4), (0.0,), (1.0,)), ((1, 4, 4), (1.0,), (1.0,))],
)
def test_canvases_that_cannot_be(shape: tuple[int, int, int], low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="canvas"):
        Canvas(shape, low, high)
