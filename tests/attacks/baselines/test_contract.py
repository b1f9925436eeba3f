"""What every peer promises, whatever it does."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.attacks.baselines.box import knowledge_of_peer, peer_box
from edgeguard.attacks.baselines.networks import posteriors_of
from edgeguard.attacks.baselines.protocol import Peer, PeerVictim
from edgeguard.attacks.baselines.registry import PEERS, configure
from edgeguard.attacks.oracle import Oracle
from edgeguard.errors import BadData, UsageError
from tests.attacks.baselines.victims import asked, posteriors, victim
from tests.networks import SHAPE

EACH = pytest.mark.parametrize("name", sorted(PEERS))
BOUNDED = pytest.mark.parametrize("name", sorted(set(PEERS) - {"adaptive-misinformation"}))


def small(name: str) -> Peer:
    """With little training."""
    return configure(name, {"epochs": "1"} if name == "adaptive-misinformation" else {})


@EACH
def test_answers_are_distributions_and_the_same_every_time(name: str) -> None:
    peer = small(name)
    queries = asked(40)
    around = victim(64)
    plain = posteriors_of(around.network, queries)
    answers = Oracle(peer_box(peer, around, SHAPE, None, 3)).ask(queries)
    assert answers.dtype == np.float32
    assert np.isfinite(answers).all()
    assert answers.min() >= 0
    assert np.abs(answers.sum(axis=1, dtype=np.float64) - 1).max() < 1e-6
    if peer.keeps_argmax:
        assert (answers.argmax(axis=1) == plain.argmax(axis=1)).all()
    assert np.abs(answers - plain).sum(axis=1).max() > 0.1
    assert (Oracle(peer_box(peer, around, SHAPE, None, 3)).ask(queries) == answers).all()
    assert (posteriors_of(around.network, queries) == plain).all()


@BOUNDED
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 2.0])
def test_the_distance_is_bounded(name: str, epsilon: float) -> None:
    queries = asked(25)
    around = victim(4)
    plain = posteriors_of(around.network, queries)
    answers = configure(name, {"epsilon": str(epsilon)}).answerer(around, 0)(queries)
    assert np.abs(answers - plain).sum(axis=1).max() <= epsilon + 1e-6


@EACH
@pytest.mark.parametrize("classes", [2, 3, 10, 20])
def test_a_thief_imagines_distributions(name: str, classes: int) -> None:
    peer = configure(name, {})
    logits = np.log(posteriors(60, classes, 4) + 1e-9).astype(np.float32)
    shadow = knowledge_of_peer(peer).shadow
    assert shadow is not None
    imagined = shadow(logits, 5)
    assert imagined.shape == logits.shape
    assert np.isfinite(imagined).all()
    assert imagined.min() >= 0
    assert np.abs(imagined.sum(axis=1, dtype=np.float64) - 1).max() < 1e-5
    assert (shadow(logits, 5) == imagined).all()
    if peer.keeps_argmax:
        confident = np.sort(logits, axis=1)[:, -1] - np.sort(logits, axis=1)[:, -2] > 1e-2
        assert (imagined.argmax(axis=1) == logits.argmax(axis=1))[confident].all()


@EACH
def test_wrong_parameters_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="has no parameter 'madness'"):
        configure(name, {"madness": "1"})
    for key, text in {"epsilon": "3", "tau": "-1", "epochs": "-1", "layers": "first"}.items():
        if key in type(small(name)).__dataclass_fields__:  # type: ignore[attr-defined]
            with pytest.raises(UsageError, match=f"{key}"):
                configure(name, {key: text})


def test_there_is_no_other_peer() -> None:
    with pytest.raises(UsageError, match="there is no baseline 'madness'"):
        configure("madness", {})


def test_labels_belong_to_images() -> None:
    with pytest.raises(BadData):
        PeerVictim(victim().network, 10, None, np.zeros(3, np.int64))


def test_a_second_network_needs_images() -> None:
    with pytest.raises(UsageError, match="needs images"):
        configure("adaptive-misinformation", {}).answerer(victim(), 0)
