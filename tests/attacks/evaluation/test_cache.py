from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.clones import CachedTrainer
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student
from edgeguard.attacks.training import predict, train
from edgeguard.attacks.transfer import Lesson
from tests.attacks.evaluation.tasks import entered

KEY = "0" * 64


def test_processes_that_want_the_same_make_it_once_and_never_see_half(tmp_path: Path) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(entered, [root] * 12, [log] * 12))
    assert set(found) == {b"whole"}
    assert log.read_text() == "made\n"
    assert [path.name for path in (root / "kind").iterdir()] == ["ab" * 32]


def test_what_a_dead_process_left_is_made_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def dies(place: Path) -> None:
        place.mkdir()
        (place / "half").write_text("half")
        raise MemoryError

    with pytest.raises(MemoryError):
        store.entry("kind", KEY, dies)
    assert not (tmp_path / "kind" / KEY).exists()

    def whole(place: Path) -> None:
        place.mkdir()
        (place / "whole").write_text("whole")

    assert [path.name for path in store.entry("kind", KEY, whole).iterdir()] == ["whole"]


def test_a_clone_is_trained_once_for_a_lesson_and_comes_back_the_same(tmp_path: Path) -> None:
    trained = []

    def counted(student: Student, lesson: Lesson, recipe: Recipe, seed: int) -> torch.nn.Module:
        trained.append(seed)
        return train(student, lesson, recipe, seed)

    rng = np.random.default_rng(0)
    inputs = rng.random((24, 1, 16, 16), np.float32)
    lesson = Lesson(inputs, np.eye(4, dtype=np.float32)[rng.integers(0, 4, 24)], np.arange(24))
    # What the thief did not keep is no part of what he learns.
    same = Lesson(inputs.copy(), lesson.targets.copy(), np.arange(24) + 7)
    other = Lesson(inputs, np.roll(lesson.targets, 1, axis=0), lesson.kept)
    student, recipe = Student("lenet", 2), Recipe(epochs=1, batch=8, augmentation="none")
    cached = CachedTrainer(Store(tmp_path), counted)
    state = torch.get_rng_state()
    first, second = cached(student, lesson, recipe, 1), cached(student, same, recipe, 1)
    assert trained == [1]
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(predict(first, inputs), predict(train(student, lesson, recipe, 1), inputs))
    np.testing.assert_array_equal(predict(first, inputs), predict(second, inputs))
    assert not second.training
    cached(student, lesson, recipe, 2)
    cached(student, other, recipe, 1)
    cached(student, lesson, Recipe(epochs=1, batch=9, augmentation="none"), 1)
    cached(Student("lenet", 3), lesson, recipe, 1)
    assert trained == [1, 2, 1, 1, 1]
