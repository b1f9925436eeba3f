"""Training: the same clone every time, of what the lesson says, with nothing else touched."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.attacks.isolation import isolated
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student
from edgeguard.attacks.training import _attempt, _layout, device, has_learnt, predict, rate_at, slow_here, train
from edgeguard.attacks.transfer import Lesson
from edgeguard.cpu import parse_cpuinfo
from edgeguard.errors import UsageError

Array = np.ndarray[Any, Any]
SMALL = Student("resnet20", 4)
QUICK = Recipe(epochs=8, batch=16, augmentation="none")
CLASSES = 4


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with isolated():
        yield


def stripes(count: int, *, seed: int = 0, size: int = 12) -> tuple[Array, Array]:
    """Noise with a bright row whose height is the class, so that neither shift nor rotation leaves it alone."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    images = 0.3 * rng.standard_normal((count, 3, size, size)).astype(np.float32)
    images[np.arange(count), :, 2 * labels + 1] += 2
    return images, labels


def lesson(count: int = 64, **how: int) -> Lesson:
    images, labels = stripes(count, **how)
    return Lesson(images, np.eye(CLASSES, dtype=np.float32)[labels], np.arange(count))


def accuracy(network: torch.nn.Module) -> float:
    images, labels = stripes(200, seed=1)
    return float((predict(network, images).argmax(axis=1) == labels).mean())


class _Constant(torch.nn.Module):
    """Always answers the same."""

    def __init__(self, logits: Array) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.from_numpy(logits.astype(np.float32)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(x), -1)


class _Right(_Constant):
    """Knows the labels of a lesson by heart, in order."""

    def __init__(self, labels: Array) -> None:
        super().__init__(3 * np.eye(CLASSES)[labels])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits[: len(x)]


@pytest.mark.parametrize("objective", ["supervised", "s4l"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_learns_what_can_be_learnt(objective: Any, precision: Any) -> None:
    network = train(SMALL, lesson(96), replace(QUICK, objective=objective, precision=precision), 0)
    assert not network.training
    assert accuracy(network) > 0.9


@pytest.mark.parametrize("student", [Student("lenet"), Student("mobilenet-v2", 8), Student("wrn16-1", 4)])
def test_trains_every_family(student: Student) -> None:
    network = train(student, lesson(16, size=16), Recipe(epochs=1, batch=8), 0)
    logits = predict(network, stripes(5, size=16)[0])
    assert logits.shape == (5, CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("objective", ["supervised", "s4l"])
def test_gives_the_same_clone_whatever_threads_and_generators_are(objective: Any) -> None:
    recipe = Recipe(epochs=2, batch=24, objective=objective)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        torch.manual_seed(1)
        first = predict(train(SMALL, lesson(40), recipe, 5), stripes(20)[0])
        torch.set_num_threads(2)
        torch.manual_seed(2)
        second = train(SMALL, lesson(40), recipe, 5)
        torch.set_num_threads(1)
        again = predict(second, stripes(20)[0])
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(first, again)


def test_other_seeds_give_other_clones() -> None:
    recipe = Recipe(epochs=1, batch=32)
    one, other = (predict(train(SMALL, lesson(), recipe, seed), stripes(20)[0]) for seed in (0, 1))
    assert np.abs(one - other).max() > 1e-3


def test_touches_no_global_setting() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.manual_seed(3)
        before = (torch.get_rng_state(), torch.backends.cudnn.deterministic, torch.get_default_dtype())
        train(SMALL, lesson(16), Recipe(epochs=1, objective="s4l"), 0)
        assert torch.get_num_threads() == 2
        with pytest.raises(UsageError):
            train(Student("lenet"), lesson(16, size=10), Recipe(epochs=1), 0)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), before[0])
        assert (torch.backends.cudnn.deterministic, torch.get_default_dtype()) == before[1:]
        assert torch.is_grad_enabled()
    finally:
        torch.set_num_threads(threads)


def test_leaves_the_lesson_alone() -> None:
    given_lesson = lesson(32)
    images, targets = given_lesson.inputs.copy(), given_lesson.targets.copy()
    train(SMALL, given_lesson, Recipe(epochs=1, objective="s4l"), 0)
    np.testing.assert_array_equal(given_lesson.inputs, images)
    np.testing.assert_array_equal(given_lesson.targets, targets)


def test_a_rate_that_kills_the_student_is_halved() -> None:
    # Without BatchNorm a LeNet dies of such a rate: all its rectifiers close, and it always answers the same.
    images, labels = stripes(64, size=16)
    taught = Lesson(images, np.eye(CLASSES, dtype=np.float32)[labels], np.arange(64))
    recipe = replace(QUICK, epochs=20, rate=1.0)
    once = _attempt(Student("lenet"), taught, recipe, 0)
    assert not has_learnt(once, taught)
    assert has_learnt(train(Student("lenet"), taught, recipe, 0), taught)


def test_nothing_is_learnt_from_alike_targets() -> None:
    flat = Lesson(lesson().inputs, np.full((64, CLASSES), 1 / CLASSES, np.float32), np.arange(64))
    assert has_learnt(_Constant(np.zeros(CLASSES)), flat)
    assert not has_learnt(_Constant(np.zeros(CLASSES)), lesson())
    assert not has_learnt(_Constant(np.full(CLASSES, np.nan)), lesson())
    labels = lesson().targets.argmax(axis=1)
    assert has_learnt(_Right(labels), lesson())


def test_learns_soft_targets_as_they_are() -> None:
    # Whatever the image, the cross entropy is least where the softmax is the target: a student must say it.
    target = np.array([0.55, 0.25, 0.15, 0.05], np.float32)
    images, _ = stripes(64, size=16)
    told = Lesson(images, np.tile(target, (64, 1)), np.arange(64))
    network = train(Student("lenet"), told, Recipe(epochs=20, batch=16, rate=0.05), 0)
    logits = predict(network, stripes(50, seed=1, size=16)[0])
    posteriors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(posteriors.mean(axis=0), target, atol=0.03)


def test_bfloat16_is_close_to_float32() -> None:
    recipe = Recipe(epochs=1, batch=32, rate=0.01)
    images = stripes(50)[0]
    exact = predict(train(SMALL, lesson(), recipe, 0), images)
    rounded = predict(train(SMALL, lesson(), replace(recipe, precision="bfloat16"), 0), images)
    # A bfloat16 has 8 bits: two steps of this size move logits of size 1 by a small part of it, and not by nothing.
    assert 0 < np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()


def test_s4l_refuses_images_that_are_not_square() -> None:
    tall = Lesson(np.zeros((4, 3, 16, 8), np.float32), np.full((4, 2), 0.5, np.float32), np.arange(4))
    with pytest.raises(UsageError, match="square"):
        train(SMALL, tall, Recipe(epochs=1, objective="s4l"), 0)


def test_trains_on_one_image_left_over_and_on_a_single_one() -> None:
    for count in (1, 17):
        assert np.isfinite(predict(train(SMALL, lesson(count), replace(QUICK, epochs=1), 0), stripes(3)[0])).all()


@given(st.integers(1, 2000), st.floats(1e-4, 10))
def test_rate_rises_to_its_peak_and_falls_to_zero(steps: int, peak: float) -> None:
    rates = np.array([rate_at(step, steps, peak) for step in range(steps)])
    top = int(rates.argmax())
    assert top == steps // 10
    assert math.isclose(rates[top], peak)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates.min() > 0
    if steps >= 20:
        assert rates[-1] < 0.01 * peak


def test_predicts_in_blocks_as_at_once() -> None:
    network = train(SMALL, lesson(16), replace(QUICK, epochs=1), 0)
    images, _ = stripes(700)
    with torch.inference_mode():
        whole = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(predict(network, images), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(device().type == "cuda", reason="students are trained on the GPU here")
def test_warns_where_bfloat16_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same training took 200 s on one "AMD EPYC" and 27 minutes on another, without AVX-512."""
    rounded = replace(QUICK, precision="bfloat16")

    def told(recipe: Recipe, flags: str) -> str | None:
        monkeypatch.setattr("edgeguard.attacks.training.this_cpu", lambda: parse_cpuinfo(f"flags: {flags}"))
        return slow_here(recipe)

    assert "bfloat16" in (told(rounded, "avx2 fma avx512f avx512_vnni") or "")
    assert told(rounded, "avx2 avx512f avx512_bf16") is None
    assert told(QUICK, "avx2") is None


@pytest.mark.skipif(device().type == "cuda", reason="students are trained on the GPU here")
@pytest.mark.parametrize(("flags", "last"), [("avx2 fma", False), ("avx2 avx512f", True), ("", False)])
def test_channels_come_last_only_where_that_is_safe(monkeypatch: pytest.MonkeyPatch, flags: str, last: bool) -> None:
    """Elsewhere ``test_trains_every_family`` died of a wide residual network of four channels."""
    monkeypatch.setattr("edgeguard.attacks.training.this_cpu", lambda: parse_cpuinfo(f"flags: {flags}"))
    assert (_layout() is torch.channels_last) is last
