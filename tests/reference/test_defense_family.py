"""What the defenses promise, on ResNet-20 in int8: budgets that hold, gates that hide, answers that stay lossy.

``benchmarks/defense_quality.py`` measures the same more widely, and what takes trained clones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks.quality.budgets import codebook_errors, dcp_at_loss, spend, spoilt
from benchmarks.quality.hiding import gated_by, told_apart
from benchmarks.quality.inverse import learned_inverse, recovery
from benchmarks.quality.victim import TUNED_ON, Victim, answers_of, key_of, posterior_of
from edgeguard.defenses.defense import Defense
from tests.export.graphs import Array
from tests.reference.conftest import Images

pytestmark = [pytest.mark.reference, pytest.mark.slow]

SPLITS = range(20)
# Of the 30,000 queries the owner knows the first 10,000; the rest is for measuring.
KNOWN = 10_000


@dataclass(frozen=True)
class Said:
    """What the network says.

    :param test: logits of the 10,000 CIFAR-10 test images.
    :param queries: of the 30,000 CIFAR-100 images.
    """

    victim: Victim
    test: Array
    labels: Array
    queries: Array

    def gated(self, budget: float, seed: int, labels: Array | None) -> Defense:
        """The decoy behind a gate."""
        return self.victim.tuned(
            "decoy",
            self.test[:TUNED_ON],
            labels,
            budget=budget,
            score="max-logit",
            key=key_of(seed),
            reference=self.queries[:KNOWN],
        )


@pytest.fixture(scope="module")
def said(reference: Path, imgpack: ModuleType, cifar_test: Images) -> Said:
    victim = Victim.build(reference, imgpack)
    return Said(victim, victim.logits(cifar_test.x), cifar_test.y, victim.logits(victim.queries()))


@pytest.mark.parametrize(("budget", "least"), [(0.5, 0.08), (1.0, 0.15)])
def test_a_budget_holds_on_images_that_were_not_tuned_on(said: Said, budget: float, least: float) -> None:
    """Demanded: exceeded on at most 2 of 20 splits, and so many queries of a thief answered wrongly.

    Found: on none; 9.1 % and 17.7 %, at a loss of 0.20 and 0.59 pp, where DCP flips 4.9 % and 10.2 %.
    """
    spent = spend(said.victim, "decoy", "max-logit", budget, said.test, said.labels, said.queries, SPLITS)
    assert spent.exceeded(budget) <= 2
    assert spent.spoilt.mean() >= least
    dcp = Defense(dcp_at_loss(said.victim, float(spent.lost.mean()), said.test, said.labels))
    assert spent.spoilt.mean() > 1.5 * spoilt(dcp, said.queries)


def test_a_codebook_is_better_calibrated_than_the_network(said: Said) -> None:
    """Found: an error of 0.7 % where the network's is 5.6 %."""
    plain, coded = codebook_errors(said.victim, said.test, said.labels, SPLITS)
    assert (coded < plain).all()
    assert coded.mean() < 0.25 * plain.mean()


@pytest.mark.parametrize("budget", [0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_answers_do_not_tell_which_queries_were_gated(said: Said, budget: float, seed: int) -> None:
    """The best classifier of answers, to a population that the gate was fitted to."""
    defense = said.gated(budget, seed, said.labels[:TUNED_ON])
    others = said.queries[KNOWN:]
    assert gated_by(defense, others).mean() > 0.05
    assert told_apart(defense, others) <= 0.55


def test_a_learned_inverse_finds_nothing_behind_gated_answers(said: Said) -> None:
    """It learns what posteriors usually look like behind each row, which bare labels tell as well, and not one class.

    Found: on gated queries 1.87 from the truth where the answers are 1.80, and no class regained; on all 0.44, where
    the labels of the same answers are 0.44.
    """
    defense = said.gated(1.0, 0, said.labels[:TUNED_ON])
    answers, truth = answers_of(defense, said.queries), posterior_of(said.queries)
    gated = gated_by(defense, said.queries)
    known, asked = slice(0, 20_000), slice(20_000, 30_000)
    inverted = learned_inverse(answers[known], truth[known])(answers[asked])
    own = recovery(answers[asked], truth[asked], gated[asked])
    found = recovery(inverted, truth[asked], gated[asked])
    labels = recovery(np.eye(10)[answers[asked].argmax(axis=1)], truth[asked], gated[asked])
    assert found.gated_distance >= own.gated_distance
    assert found.gated_top < 0.01
    assert found.top <= own.top + 0.002
    assert found.distance > 0.93 * labels.distance


def test_the_usual_inverse_comes_no_closer_than_answers_with_the_networks_own_confidence(said: Said) -> None:
    """Found: from 0.43 to 0.49. Of answers calibrated to accuracy it learns that the network is surer than they say."""
    defense = said.gated(1.0, 0, labels=None)
    answers, truth = answers_of(defense, said.queries), posterior_of(said.queries)
    gated = gated_by(defense, said.queries)[20_000:]
    inverted = learned_inverse(answers[:20_000], truth[:20_000], loss="cross-entropy")(answers[20_000:])
    own = recovery(answers[20_000:], truth[20_000:], gated)
    found = recovery(inverted, truth[20_000:], gated)
    assert found.distance >= own.distance
    assert found.gated_top < 0.01


def test_a_learned_inverse_undoes_dcp(said: Said) -> None:
    """Found: from 1.51 to 0.27."""
    defense = said.victim.tuned("dcp", said.test[:TUNED_ON], said.labels[:TUNED_ON], parameters={"beta": "1.2"})
    answers, truth = answers_of(defense, said.queries), posterior_of(said.queries)
    none = np.zeros(10_000, bool)
    inverted = learned_inverse(answers[:20_000], truth[:20_000])(answers[20_000:])
    assert recovery(answers[20_000:], truth[20_000:], none).distance > 1.4
    assert recovery(inverted, truth[20_000:], none).distance <= 0.35
