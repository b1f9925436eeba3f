"""Artifacts on the device: they load, verify, and answer as their exporter's machine does."""

from __future__ import annotations

import numpy as np
import pytest

from device_tests.answering import Answers
from device_tests.subjects import NAMES, Subject
from edgeguard.contract import check_contract
from edgeguard.defenses.response import is_table
from edgeguard.runtimes.loading import load_opened


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test here is about one artifact."""
    if "name" in metafunc.fixturenames:
        own = [path.name for path in metafunc.config.getoption("--artifact")]
        metafunc.parametrize("name", [*NAMES, *own])


def test_it_loads_and_verifies(answers: Answers, name: str) -> None:
    checks = answers.checks[name]
    assert set(checks) == {"files", "output", "answers", "goldens"}
    assert all(passed for passed, _ in checks.values()), checks


def test_its_golden_answers_are_the_exporters(answers: Answers, subjects: dict[str, Subject], name: str) -> None:
    """Rows of a table exactly, posteriors within what one step of the logits makes of them."""
    subject = subjects[name]
    goldens, found = subject.goldens, answers.golden[name]
    assert found.shape == goldens.answers.shape
    defense = subject.defense
    if defense is not None and is_table(defense.response):
        np.testing.assert_array_equal(found, goldens.answers)
    else:
        distance = np.abs(found.astype(np.float64) - goldens.answers).max(axis=-1)
        assert (distance <= goldens.tolerance).all(), (distance / goldens.tolerance).max()


def test_every_answer_keeps_the_contract(answers: Answers, subjects: dict[str, Subject], name: str) -> None:
    assert len(answers.noise[name])
    for found in (answers.golden[name], answers.noise[name]):
        check_contract(found, classes=subjects[name].opened.manifest.classes)


def test_answers_to_noise_are_those_of_this_machine(answers: Answers, subjects: dict[str, Subject], name: str) -> None:
    """Noise lies where it will, also at the edge of a decision: nearly all answers must agree, not all."""
    subject = subjects[name]
    shape = subject.opened.manifest.model.input_shape
    noise = np.random.default_rng(0).normal(size=(len(answers.noise[name]), *shape)).astype(np.float32)
    here = load_opened(subject.opened, threads=1).answer(noise)
    distance = np.abs(here.astype(np.float64) - answers.noise[name]).max(axis=-1)
    tolerance = float(subject.goldens.tolerance.max(initial=1e-6))
    assert (distance <= tolerance).mean() >= 0.95


def test_the_environment_is_the_device_part_alone(answers: Answers) -> None:
    packages = answers.facts["packages"]
    assert {"edgeguard", "numpy", "onnxruntime"} <= set(packages)
    assert not {"torch", "onnx", "onnxscript"} & set(packages)
