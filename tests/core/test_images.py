"""Decoding image files: row 21 of the hostile inputs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeguard.errors import BadData
from edgeguard.images import decode_image

ORIENTATION = 0x0112


def left_red_right_blue(height: int = 8, width: int = 12) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    return pixels


def test_a_plain_picture_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), pixels)


# What EXIF's eight values mean (CIPA DC-008, Orientation): the transformation that puts the stored pixels upright.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("value", sorted(UPRIGHT))
def test_exif_orientation_turns_the_picture(tmp_path: Path, value: int) -> None:
    stored = np.random.default_rng(value).integers(0, 256, (4, 6, 3), np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = value
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), UPRIGHT[value](stored))


def test_a_jpeg_held_upright_by_exif_is_turned_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(left_red_right_blue(16, 32)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = decode_image(tmp_path / "a.jpg")
    assert turned.shape == (32, 16, 3)
    # a quarter turn clockwise: what was left is on top
    assert turned[4, 8, 0] > 200
    assert turned[4, 8, 2] < 50
    assert turned[28, 8, 2] > 200


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bit_greys_keep_their_upper_byte(tmp_path: Path, suffix: str) -> None:
    wide = np.array([[0, 255, 256, 0x7FFF], [0x8000, 0xFF00, 0xFFFE, 0xFFFF]], np.uint16)
    Image.fromarray(wide).save(tmp_path / f"a.{suffix}")
    expected = np.array([[0, 0, 1, 127], [128, 255, 255, 255]], np.uint8)
    np.testing.assert_array_equal(decode_image(tmp_path / f"a.{suffix}"), np.repeat(expected[:, :, None], 3, axis=2))


def test_a_dark_sixteen_bit_picture_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png").max() == 0


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_without_a_defined_range_are_refused(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.arange(16, dtype=dtype).reshape(4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(BadData, match="no defined range") as raised:
        decode_image(tmp_path / "a.tif")
    assert raised.value.where == str(tmp_path / "a.tif")


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(left_red_right_blue(16, 16)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as stored:
        assert stored.mode == "CMYK"
    pixels = decode_image(tmp_path / "a.jpg").astype(int)
    assert pixels.shape == (16, 16, 3)
    assert abs(pixels[8, 3] - [255, 0, 0]).max() < 30
    assert abs(pixels[8, 12] - [0, 0, 255]).max() < 30


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), np.repeat(grey[:, :, None], 3, axis=2))


def test_transparency_is_put_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = [10, 20, 30, 255]
    pixels[1, 1] = [0, 0, 0, 128]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    decoded = decode_image(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded[0, 0], [10, 20, 30])
    np.testing.assert_array_equal(decoded[0, 1], [255, 255, 255])
    assert abs(decoded[1, 1].astype(int) - 127).max() <= 1


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    picture.putpalette([200, 0, 0, 0, 0, 200])
    picture.save(tmp_path / "a.png", transparency=0)
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.mode == "P"
        assert "transparency" in stored.info
    decoded = decode_image(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded[0], [[255, 255, 255], [0, 0, 200]])


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / f"a.{suffix}") as stored:
        assert stored.n_frames == 2
    pixel = decode_image(tmp_path / f"a.{suffix}")[3, 3].astype(int)
    assert abs(pixel - [255, 0, 0]).max() < 10


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "blue").save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), [[[0, 0, 255]]])


def damaged(path: Path, kind: str) -> None:
    whole = left_red_right_blue(64, 64)
    if kind == "truncated":
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path, "JPEG")
        path.write_bytes(path.read_bytes()[:-500])
    elif kind == "header only":
        Image.fromarray(whole).save(path, "PNG")
        path.write_bytes(path.read_bytes()[:40])
    elif kind == "no image":
        path.write_bytes(b"#!/bin/sh\necho hello\n")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    else:
        assert kind == "missing"


@pytest.mark.parametrize("kind", ["truncated", "header only", "no image", "empty", "folder", "missing"])
def test_what_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.jpg"
    damaged(path, kind)
    with pytest.raises(BadData, match="cannot be read as an image") as raised:
        decode_image(path)
    assert raised.value.where == str(path)
    assert raised.value.fix


def test_a_decompression_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    # 10,000 x 10,000 black pixels in a few kilobytes
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    with pytest.raises(BadData, match="suspiciously large"):
        decode_image(tmp_path / "a.png")
