"""From images to inputs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgeguard.errors import BadData, UsageError
from edgeguard.preprocess import PRESETS, Preprocess, preset

RNG = np.random.default_rng(0)


def test_the_formula_per_channel() -> None:
    preprocess = Preprocess((1, 2), mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    image = np.array([[[0, 51, 255], [255, 0, 102]]], np.uint8)
    expected = (image / 255.0 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 2.0]
    result = preprocess([image])
    assert result.dtype == np.float32
    assert result.shape == (1, 3, 1, 2)
    np.testing.assert_allclose(result[0].transpose(1, 2, 0), expected, rtol=1e-5, atol=1e-6)


def test_layout_and_colour_order() -> None:
    image = RNG.integers(0, 256, (4, 4, 3), np.uint8)
    rgb = Preprocess((4, 4))([image])
    np.testing.assert_array_equal(Preprocess((4, 4), colour="bgr")([image]), rgb[:, ::-1])
    np.testing.assert_array_equal(Preprocess((4, 4), layout="nhwc")([image]), rgb.transpose(0, 2, 3, 1))
    assert Preprocess((4, 5), layout="nhwc").input_shape == (4, 5, 3)
    assert Preprocess((4, 5), colour="grey").input_shape == (1, 4, 5)


def test_grey_networks_get_pillows_luma_and_grey_images_fill_colour_networks() -> None:
    image = RNG.integers(0, 256, (9, 9, 3), np.uint8)
    luma = Preprocess((9, 9), colour="grey", scale=1.0)([image])[0, 0]
    assert abs(luma - np.asarray(Image.fromarray(image).convert("L"), np.float32)).max() <= 1
    grey = image[:, :, 0]
    filled = Preprocess((9, 9), scale=1.0)([grey])[0]
    for channel in filled:
        np.testing.assert_array_equal(channel, grey)
    np.testing.assert_array_equal(Preprocess((9, 9), scale=1.0)([grey[:, :, None]])[0], filled)


def test_an_image_of_the_right_size_is_left_alone_and_others_are_stretched() -> None:
    image = RNG.integers(0, 256, (6, 8, 3), np.uint8)
    np.testing.assert_array_equal(Preprocess((6, 8), scale=1.0, layout="nhwc")([image])[0], image)
    stretched = Preprocess((12, 4), scale=1.0, layout="nhwc", resample="bicubic")([image])[0]
    np.testing.assert_array_equal(
        stretched, np.asarray(Image.fromarray(image).resize((4, 12), Image.Resampling.BICUBIC))
    )


def test_crop_resizes_the_shorter_side_and_cuts_the_centre() -> None:
    # 20 x 40 to 10 x 10 at crop 1/2: scaled by one to 20 x 40, of which the centre stays
    image = RNG.integers(0, 256, (20, 40, 3), np.uint8)
    result = Preprocess((10, 10), crop=0.5, scale=1.0, layout="nhwc")([image])[0]
    np.testing.assert_array_equal(result, image[5:15, 15:25])


@pytest.mark.parametrize("shape", [(1, 30_000), (30_000, 1)])
def test_an_extreme_strip_does_not_exhaust_memory(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    # Scaled whole, one side would be 30,000 * 224 / 0.875 pixels: 6 GB
    resize = Image.Image.resize
    sizes: list[tuple[int, int]] = []

    def watched(picture: Image.Image, size: tuple[int, int], *arguments: Any, **more: Any) -> Image.Image:
        sizes.append(size)
        assert size[0] * size[1] < 1 << 25
        return resize(picture, size, *arguments, **more)

    monkeypatch.setattr(Image.Image, "resize", watched)
    strip = np.full((*shape, 3), 7, np.uint8)
    result = Preprocess((224, 224), crop=0.875, scale=1.0)([strip])
    assert result.shape == (1, 3, 224, 224)
    assert (result == 7).all()
    assert sizes == [(224, 224)]


def test_the_thrifty_way_cuts_the_same_region(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.asarray(Image.fromarray(RNG.integers(0, 256, (5, 7, 3), np.uint8)).resize((70, 50)))
    preprocess = Preprocess((32, 24), crop=0.8, scale=1.0)
    usual = preprocess([image])
    monkeypatch.setattr("edgeguard.preprocess._MOST_PIXELS", 0)
    assert np.abs(preprocess([image]) - usual).mean() < 2


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
@pytest.mark.parametrize("crop", [None, 0.5])
def test_what_is_no_image_is_refused(image: np.ndarray, crop: float | None) -> None:
    with pytest.raises(BadData):
        Preprocess((8, 8), crop=crop)([image])


def test_pillow_images_are_taken_as_arrays() -> None:
    image = RNG.integers(0, 256, (4, 4, 3), np.uint8)
    np.testing.assert_array_equal(Preprocess((4, 4))([Image.fromarray(image)]), Preprocess((4, 4))([image]))


@settings(deadline=None)
@given(
    pixels=st.lists(st.integers(0, 255), min_size=3, max_size=3),
    mean=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    std=st.lists(st.floats(0.1, 3), min_size=3, max_size=3),
    scale=st.sampled_from([1.0, 1 / 255, 1 / 127.5]),
)
def test_no_image_leaves_the_value_range(pixels: list[int], mean: list[float], std: list[float], scale: float) -> None:
    preprocess = Preprocess((1, 1), mean=tuple(mean), std=tuple(std), scale=scale)
    low, high = preprocess.value_range
    slack = 1e-4 * max(1.0, abs(low), abs(high))
    result = preprocess([np.array([[pixels]], np.uint8)])
    assert low - slack <= result.min()
    assert result.max() <= high + slack


def test_the_value_range_pairs_each_mean_with_its_own_deviation() -> None:
    low, high = Preprocess((1, 1), mean=(0.5, 0.0, 0.5), std=(1.0, 0.5, 1.0)).value_range
    assert (low, high) == pytest.approx((-0.5, 2.0))


@pytest.mark.parametrize(
    "change",
    [
        {"size": (0, 4)},
        {"crop": 0.0},
        {"crop": 1.1},
        {"colour": "cmyk"},
        {"layout": "hw"},
        {"resample": "magic"},
        {"mean": (0.1, 0.2)},
        {"std": (1.0, 0.0, 1.0)},
        {"std": (float("nan"),)},
        {"scale": 0.0},
        {"scale": float("inf")},
    ],
)
def test_impossible_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="preprocess"):
        Preprocess(**{"size": (4, 4), **change})  # type: ignore[arg-type]


def test_presets_fit_the_network() -> None:
    imagenet = preset("imagenet", (3, 224, 192))
    assert imagenet.size == (224, 192)
    assert imagenet.input_shape == (3, 224, 192)
    assert preset("unit", (32, 32, 3), "nhwc").input_shape == (32, 32, 3)
    grey = preset("cifar10", (1, 28, 28))
    assert grey.colour == "grey"
    assert grey.mean == (pytest.approx(sum(PRESETS["cifar10"].mean) / 3),)
    with pytest.raises(UsageError, match="mobilenet-v1"):
        preset("nonsense", (3, 8, 8))
    with pytest.raises(UsageError, match="--layout"):
        preset("unit", (32, 32, 3))


@pytest.mark.parametrize(("name", "ends"), [("unit", (0, 1)), ("raw255", (0, 255)), ("mobilenet-v1", (-1, 1))])
def test_presets_map_black_and_white_where_they_say(name: str, ends: tuple[float, float]) -> None:
    assert preset(name, (3, 4, 4)).value_range == pytest.approx(ends)
