"""Choosing a defense on the command line: budgets, gates, keys, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeguard.artifact import open_artifact
from edgeguard.manifest import Manifest
from edgeguard.runtimes import load
from edgeguard.runtimes.verify import verify
from tests.artifacts import random_images, random_network
from tests.cli.inprocess import Here
from tests.export.graphs import Array, run

COUNT = 700
EXPORT = ("export", "model.onnx", "--int8", "--calibration", "calibration.npz", "--preprocess", "unit")
VALIDATION = ("--validation", "validation.npz")
KEY = ("--key", "owner.key")


@pytest.fixture
def ready(desk: Path, here: Here) -> Here:
    """A model, images to calibrate and to validate on, labels that it is right about in nine of ten cases, a key."""
    model = random_network()
    onnx.save(model, "model.onnx")
    np.savez("calibration.npz", x=random_images(48, seed=1))
    pictures = random_images(COUNT, seed=2)
    labels = run(model, pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255).argmax(axis=-1)
    labels[::10] = (labels[::10] + 1) % 10
    np.savez("validation.npz", x=pictures, y=labels)
    np.savez("unlabelled.npz", x=pictures)
    np.savez("few.npz", x=pictures[:200], y=labels[:200])
    assert here("keygen", "owner.key").code == 0
    return here


def exported(here: Here, *options: str) -> Manifest:
    done = here(*EXPORT, *options, "-o", "out.edgeguard", "--force")
    assert done.code == 0, done.err
    assert verify(Path("out.edgeguard")).passed
    return open_artifact(Path("out.edgeguard")).manifest


def answers(path: str = "out.edgeguard") -> Array:
    return np.asarray(load(path).predict(random_images(300, seed=3)))


def test_a_decoy_with_a_budget(ready: Here) -> None:
    manifest = exported(ready, "--defense", "decoy", "--budget", "2", *KEY, *VALIDATION)
    record, measured = manifest.defense, manifest.measured
    assert record is not None
    assert record.gate is not None
    assert record.tuning is not None
    assert measured is not None
    assert (record.name, record.gate.score, record.tuning.tuned) == ("decoy", "max-logit", "gate")
    assert record.key_commitment == json.loads(ready("keygen", "owner.key", "--commitment", "--json").out)["commitment"]
    assert manifest.quantization is not None
    assert manifest.quantization.head == "int8"
    assert record.tuning.lost > 0
    assert record.tuning.bound <= 2
    assert measured.accuracy is not None
    assert measured.accuracy_undefended is not None
    # What is lost is what was right and is gated; a gated answer is never the honest one.
    assert measured.accuracy_undefended - measured.accuracy <= record.tuning.lost / COUNT + 1e-9
    assert measured.flips is not None
    assert measured.flips >= record.tuning.lost / COUNT
    assert measured.distinct_answers is not None
    # Levels that share a confidence may share decoys, too.
    assert 10 < measured.distinct_answers <= 40
    assert measured.bits_per_query == pytest.approx(np.log2(measured.distinct_answers))
    assert measured.ece is not None
    distinct = {row.tobytes() for row in answers()}
    assert 1 < len(distinct) <= 40


@pytest.mark.parametrize("defense", ["label", "codebook", "decoy"])
def test_graph_and_host_answer_with_the_same_rows(ready: Here, defense: str) -> None:
    options = ("--defense", defense, "--budget", "2", *KEY, *VALIDATION)
    exported(ready, *options)
    in_graph = answers()
    manifest = exported(ready, *options, "--placement", "host")
    assert manifest.model.head.dtype == "uint8"
    assert manifest.defense is not None
    assert manifest.defense.file_undefended
    np.testing.assert_array_equal(answers(), in_graph)


@pytest.mark.parametrize("gate", ["max-logit", "per-class-max-logit", "max-probability", "energy"])
def test_every_gate_keeps_to_the_budget(ready: Here, gate: str) -> None:
    record = exported(ready, "--defense", "codebook", "--gate", gate, "--budget", "2", *KEY, *VALIDATION).defense
    assert record is not None
    assert record.gate is not None
    assert record.tuning is not None
    assert record.gate.score == gate
    assert 0 <= record.tuning.bound <= 2


def test_a_budget_tunes_the_parameter_of_a_response_that_may_change_the_argmax(ready: Here) -> None:
    record = exported(ready, "--defense", "dcp", "--budget", "2", *VALIDATION).defense
    assert record is not None
    assert record.tuning is not None
    assert (record.gate, record.tuning.tuned) == (None, "beta")
    assert record.tuning.bound <= 2
    behind = exported(ready, "--defense", "dcp", "--gate", "max-logit", "--budget", "3", *KEY, *VALIDATION).defense
    assert behind is not None
    assert behind.gate is not None
    assert behind.parameters["beta"] == 0.9


def test_too_few_images_open_no_gate_and_the_artifact_says_so(ready: Here) -> None:
    manifest = exported(ready, "--defense", "label", "--budget", "0.5", *KEY, "--validation", "few.npz")
    assert manifest.defense is not None
    assert manifest.defense.gate is None
    assert any("NO GATE" in warning and "at least 598" in warning for warning in manifest.warnings)


def test_without_labels_the_float_model_is_what_counts(ready: Here) -> None:
    done = ready(*EXPORT, "--defense", "decoy", "--budget", "2", *KEY, "--validation", "unlabelled.npz")
    assert done.code == 0, done.err
    assert "counted are those as the float model has them" in done.out
    record = open_artifact(Path("model.edgeguard")).manifest.defense
    assert record is not None
    assert record.tuning is not None
    assert record.tuning.counted == "agreement"


def test_queries_of_a_thief_shape_the_gate(ready: Here) -> None:
    np.savez("queries.npz", x=random_images(120, seed=5))
    options = ("--defense", "decoy", "--budget", "2", *KEY, *VALIDATION)
    record = exported(ready, *options, "--queries", "queries.npz").defense
    assert record is not None
    assert record.tuning is not None
    assert (record.tuning.reference, record.tuning.reference_images) == ("queries", 120)


def test_another_key_draws_another_defense_and_the_same_key_the_same(ready: Here) -> None:
    options = ("--defense", "decoy", "--budget", "2", *VALIDATION)
    first, again = (exported(ready, *options, *KEY).files for _ in range(2))
    assert first["model.onnx"] == again["model.onnx"]
    assert ready("keygen", "other.key").code == 0
    assert exported(ready, *options, "--key", "other.key").files["model.onnx"] != first["model.onnx"]


def test_images_that_it_was_trained_on_are_suspected(ready: Here) -> None:
    pictures = random_images(300, seed=9)
    labels = run(onnx.load("model.onnx"), pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255).argmax(axis=-1)
    np.savez("seen.npz", x=pictures, y=labels)
    done = ready(*EXPORT[:2], "--defense", "codebook", "--preprocess", "unit", "--validation", "seen.npz")
    assert done.code == 0, done.err
    assert "TRAINED on them" in done.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--defense", "decoy", *VALIDATION], 2, ["decoy draws from a key", "keygen"]),
        (["--defense", "decoy", *KEY], 3, ["not trained on", "--validation"]),
        (["--defense", "codebook"], 3, ["not trained on", "--validation"]),
        (["--defense", "dcp", "--budget", "0", *VALIDATION], 2, ["cannot promise", "budget of 0"]),
        (["--defense", "noise", "--budget", "0", *KEY, *VALIDATION], 2, ["cannot promise", "budget of 0"]),
        (["--defense", "label", "--gate", "energy", *KEY, *VALIDATION], 2, ["--gate", "--budget"]),
        (["--defense", "label", "--budget", "1", *VALIDATION], 2, ["gate", "key"]),
        (["--defense", "label", "--budget", "1", *KEY], 3, ["a budget is tuned on images", "--validation"]),
        (["--defense", "label", "--budget", "100", *KEY, *VALIDATION], 2, ["--budget"]),
        (["--defense", "dcp", "--budget", "1", "--defense-param", "beta=1", *VALIDATION], 2, ["decides beta"]),
        (["--defense", "dcp", "--budget", "0.1", *VALIDATION], 3, ["cannot be shown", "--budget"]),
        (["--defense", "decoy", "--key", "none.key", *VALIDATION], 2, ["none.key", "keygen"]),
        (["--budget", "1"], 2, ["--budget", "means nothing without --defend"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_cannot_be_is_refused_with_its_remedy(ready: Here, options: list[str], code: int, said: Any) -> None:
    ready(*EXPORT, *options).failed(code, *said)
    assert not Path("model.edgeguard").exists()


def test_budget_zero_keeps_every_argmax(ready: Here) -> None:
    manifest = exported(ready, "--defense", "decoy", "--budget", "0", *KEY, *VALIDATION)
    assert manifest.defense is not None
    assert manifest.defense.gate is None
    assert manifest.measured is not None
    assert manifest.measured.flips == 0
