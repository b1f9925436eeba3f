"""Augmentation: moved by no more than said, mirrored as often as said, zeros where nothing was."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.attacks.augmentation import augmented


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 33), st.integers(4, 33))
def test_shifts_by_up_to_an_eighth_and_fills_with_zeros(seed: int, height: int, width: int) -> None:
    images = torch.rand((2, 1, height, width), generator=torch.Generator().manual_seed(seed)) + 1
    moved = augmented(images, "shift", torch.Generator().manual_seed(seed))
    assert moved.shape == images.shape
    shifts = [
        (down, right)
        for down in range(-(height // 8), height // 8 + 1)
        for right in range(-(width // 8), width // 8 + 1)
        if torch.equal(moved, _shifted(images, down, right))
    ]
    assert len(shifts) == 1


def test_reaches_every_shift_and_mirrors_half_of_all_images() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.arange(1.0, 257).reshape(1, 1, 16, 16).repeat(4, 1, 1, 1)
    seen, mirrored = set(), 0
    for _ in range(400):
        batch = augmented(images, "mirror-shift", generator)
        # Along a row the numbers rise, and fall where it is mirrored.
        flips = batch[:, 0, 8, 8] < batch[:, 0, 8, 7]
        mirrored += int(flips.sum())
        straight = torch.where(flips[:, None, None, None], batch.flip(3), batch)
        seen.add(float(straight[0, 0, 8, 8]) if not flips[0] else -1.0)
    # 25 shifts by two pixels at most, and one entry for mirrored firsts.
    assert len(seen) == 26
    # 1600 fair coins: more than five deviations off are one in a million.
    assert abs(mirrored - 800) < 100


def test_leaves_images_alone_without_augmentation() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert augmented(images, "none", torch.Generator()) is images


def _shifted(images: torch.Tensor, down: int, right: int) -> torch.Tensor:
    height, width = images.shape[2:]
    framed = torch.zeros(*images.shape[:2], 3 * height, 3 * width)
    framed[:, :, height + down : 2 * height + down, width + right : 2 * width + right] = images
    return framed[:, :, height : 2 * height, width : 2 * width]
