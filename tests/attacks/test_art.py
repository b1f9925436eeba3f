"""ART's own attacks ask our victims, and our defenses answer on ART's estimators exactly as they do elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.oracle import BudgetSpent
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Score
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.record import recorded_defense
from edgeguard.defenses.registry import configure
from edgeguard.errors import BadData, BadModel, MissingExtra, UsageError
from edgeguard.manifest import read_manifest
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes import load
from tests.artifacts import SIZE, make_artifact, random_images
from tests.defenses.fitted import defense, gate

Array = np.ndarray[Any, Any]

_SHAPE = (3, SIZE, SIZE)
_CLASSES = 10
_HEAD = Head("logits", _CLASSES)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module, imported where ART may make its folder: it belongs to no developer's home."""
    if importlib.util.find_spec("art") is None:
        pytest.skip("ART is not installed; pip install 'edgeguard[art]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield importlib.import_module("edgeguard.attacks.art")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two threads take fifty times as long for so small a thief: they wait for each other."""
    from edgeguard.attacks.isolation import isolated

    with isolated():
        yield


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("victim"))


def images(count: int, seed: int = 3) -> Array:
    return Preprocess((SIZE, SIZE))(random_images(count, seed=seed))


def logits_of(count: int, seed: int = 0) -> Array:
    return (np.random.default_rng(seed).standard_normal((count, _CLASSES)) * 5).astype(np.float32)


def posterior_of(logits: Array) -> Array:
    return np.asarray(NumpyOps().softmax(logits))


def predicting(answers: Array, post: Any) -> Any:
    """An estimator of ART's, behind a postprocessor; asked a row's number it predicts that row."""
    from art.estimators.classification import BlackBoxClassifier

    return BlackBoxClassifier(lambda asked: answers[asked[:, 0]], (1,), _CLASSES, None, None, post, None)


def answered(estimator: Any, count: int) -> Array:
    return np.asarray(estimator.predict(np.arange(count)[:, None]))


def thief() -> Any:
    import torch
    from art.estimators.classification import PyTorchClassifier

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIZE * SIZE, _CLASSES))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    return PyTorchClassifier(network, torch.nn.CrossEntropyLoss(), _SHAPE, _CLASSES, optimizer)


def test_art_sees_what_the_artifact_says(bridge: ModuleType, artifact: Path) -> None:
    victim = bridge.art_classifier(artifact)
    asked = images(20)
    found = victim.predict(asked.astype(np.float64), batch_size=7)
    assert found.dtype == np.float32
    assert (found == load(artifact).answer(asked)).all()
    assert victim.input_shape == _SHAPE
    assert victim.nb_classes == _CLASSES
    assert (victim.clip_values == np.array([0, 1], np.float32)).all()
    assert victim.oracle.asked == 20


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("strategy", ["random", "adaptive"])
def test_knockoff_nets_steal_with_as_many_queries_as_they_say(
    bridge: ModuleType, artifact: Path, strategy: str
) -> None:
    from art.attacks.extraction import KnockoffNets

    victim = bridge.art_classifier(artifact, budget=60)
    attack = KnockoffNets(
        victim, batch_size_fit=20, batch_size_query=25, nb_epochs=20, nb_stolen=60, sampling_strategy=strategy,
        use_probability=True, verbose=False,
    )  # fmt: skip
    pool = images(80)
    classes = None if strategy == "random" else np.arange(80) % 4
    np.random.seed(0)  # noqa: NPY002  (ART draws from numpy's global generator)
    clone = attack.extract(pool, classes, thieved_classifier=thief())
    assert (victim.oracle.asked, victim.oracle.left) == (60, 0)
    agreed = (clone.predict(pool).argmax(axis=1) == load(artifact).answer(pool).argmax(axis=1)).mean()
    # Guessing agrees on a tenth of them.
    assert agreed > 0.4


def test_copycat_beyond_the_budget_ends_in_our_error(bridge: ModuleType, artifact: Path) -> None:
    from art.attacks.extraction import CopycatCNN

    victim = bridge.art_classifier(artifact, budget=60)
    attack = CopycatCNN(victim, batch_size_query=25, nb_stolen=80)
    with pytest.raises(BudgetSpent, match="25 more queries were asked, and 10 are left of 60"):
        attack.extract(images(80), thieved_classifier=thief())
    assert victim.oracle.asked == 50


def test_any_black_box_can_be_asked(bridge: ModuleType) -> None:
    box = BlackBox("counter", lambda asked: np.full((len(asked), 4), 0.25, np.float32), (2, 5), None)
    victim = bridge.art_classifier(box)
    assert victim.nb_classes == 4
    assert victim.clip_values is None
    assert victim.oracle.asked == 0
    assert (victim.predict(np.zeros((3, 2, 5), np.float32)) == 0.25).all()
    assert victim.oracle.asked == 3


def test_what_is_no_classifier_is_refused(bridge: ModuleType) -> None:
    with pytest.raises(BadData, match="not one row a query"):
        bridge.art_classifier(BlackBox("map", lambda asked: np.zeros((len(asked), 4, 4)), (2,), None))
    with pytest.raises(BadModel, match="answers 1 queries"):
        bridge.art_classifier(BlackBox("sum", lambda asked: asked.sum(), (2,), None))


@pytest.mark.parametrize(
    "made",
    [
        Defense(configure("dcp", {"beta": "1.2"}, _CLASSES)),
        Defense(configure("reverse-sigmoid", {}, _CLASSES)),
        Defense(configure("label", {}, _CLASSES)),
        defense("dcp", _HEAD, "max-probability"),
        defense("noise", _HEAD),
    ],
    ids=["dcp", "reverse-sigmoid", "label", "dcp+max-probability", "noise"],
)
def test_a_posterior_is_answered_as_everywhere(bridge: ModuleType, made: Defense) -> None:
    posteriors = posterior_of(logits_of(200))
    estimator = predicting(posteriors, bridge.DefensePostprocessor(made, _CLASSES))
    found = answered(estimator, 200)
    assert found.dtype == np.float32
    assert (found == made.answer(NumpyOps(), Head("posterior", _CLASSES), posteriors)).all()
    assert not (found == posteriors).all()


@pytest.mark.parametrize("score", [None, "max-logit", "per-class-max-logit", "max-probability", "energy"])
@pytest.mark.parametrize("name", ["decoy", "codebook", "dcp"])
def test_logits_are_answered_as_everywhere(bridge: ModuleType, name: str, score: Score | None) -> None:
    made, logits = defense(name, _HEAD, score), logits_of(200)
    found = answered(predicting(logits, bridge.DefensePostprocessor(made, _CLASSES, "logits")), 200)
    assert (found == made.answer(NumpyOps(), _HEAD, logits)).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_the_defense_of_a_manifest_can_be_put_on_an_estimator(bridge: ModuleType, tmp_path: Path) -> None:
    made = defense("decoy", _HEAD, "max-logit")
    path = make_artifact(tmp_path, placement="host", defense=made)
    record = read_manifest(path / "manifest.json").defense
    assert record is not None
    post, logits = bridge.DefensePostprocessor(recorded_defense(record), _CLASSES, "logits"), logits_of(50)
    assert (post(logits) == made.answer(NumpyOps(), _HEAD, logits)).all()


def test_training_sees_what_the_network_says(bridge: ModuleType) -> None:
    post = bridge.DefensePostprocessor(Defense(configure("dcp", {}, _CLASSES)), _CLASSES)
    assert (post.apply_fit, post.apply_predict, post.is_fitted) == (False, True, True)


@pytest.mark.parametrize("score", ["max-logit", "per-class-max-logit", "energy"])
def test_gates_on_logits_are_refused_on_probabilities(bridge: ModuleType, score: Score) -> None:
    made = Defense(configure("dcp", {}, _CLASSES), gate(score, _CLASSES, 1))
    with pytest.raises(UsageError, match=rf"a gate by {score} asks how large logits are.*outputs='logits'"):
        bridge.DefensePostprocessor(made, _CLASSES)


def test_levels_by_logits_are_refused_on_probabilities(bridge: ModuleType) -> None:
    with pytest.raises(UsageError, match=r"codebook chooses its level of confidence by how large logits are"):
        bridge.DefensePostprocessor(defense("codebook", _HEAD), _CLASSES)


def test_what_was_never_fitted_is_refused(bridge: ModuleType) -> None:
    with pytest.raises(UsageError, match="never fitted"):
        bridge.DefensePostprocessor(Defense(configure("decoy", {}, _CLASSES)), _CLASSES)


@pytest.mark.parametrize("rows", [logits_of(4), posterior_of(logits_of(4))[:, :9], np.full((2, 10), np.nan)])
def test_what_is_no_posterior_is_refused(bridge: ModuleType, rows: Array) -> None:
    with pytest.raises(BadData, match="predictions"):
        bridge.DefensePostprocessor(Defense(configure("dcp", {}, _CLASSES)), _CLASSES)(rows)


def test_without_art_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("edgeguard.attacks")
    for name in [name for name in sys.modules if name == "art" or name.startswith("art.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "edgeguard.attacks.art", raising=False)
    # What the import system finds there is that there is nothing.
    monkeypatch.setitem(sys.modules, "art", None)
    with pytest.raises(MissingExtra, match=r"art is not installed.*pip install 'edgeguard\[art\]'"):
        importlib.import_module("edgeguard.attacks.art")
