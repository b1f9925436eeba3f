"""One theft as a command asks for it: any victim, any attack, measured on what is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeguard.artifact import open_artifact
from edgeguard.attacks.black_box import BlackBox, artifact_box, channels_first, posterior_box
from edgeguard.attacks.data_free.canvas import canvas_of
from edgeguard.attacks.data_free.registry import find_data_free
from edgeguard.attacks.images import pool_of, test_images
from edgeguard.attacks.knowledge import NOTHING, Knowledge, knowledge_of
from edgeguard.attacks.loot import Loot
from edgeguard.attacks.metrics import exposure, theft, utility
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.queries.registry import find_queries
from edgeguard.attacks.readings.registry import find_strategy
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.stealing import steal
from edgeguard.attacks.students.registry import Student
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.training import predict, train
from edgeguard.calibration.accuracy import references
from edgeguard.defenses.record import recorded_defense
from edgeguard.errors import UsageError
from edgeguard.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import nn

    from edgeguard.export.loading import LoadRequest

__all__ = ["Asked", "Plan", "artifact_victim", "commit", "model_victim", "plan"]

_DEFAULT_QUERIES = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Which attack, with what.

    :param attack: name of the training strategy or of the data-free attack.
    :param choice: name of the query strategy; ``None`` for a data-free attack.
    :param pool: the thief's images; ``None`` likewise.
    :param queries: how many to ask; ``None`` for the usual number, or for as many as there are images.
    """

    attack: str
    choice: str | None
    pool: Path | None
    queries: int | None

    @property
    def told(self) -> str:
        """For people."""
        return self.attack if self.choice is None else f"{self.attack}, {self.choice} queries"


@dataclass(frozen=True, slots=True)
class Asked:
    """A victim.

    :param plain: the same network without its defense, which the thief cannot ask; ``None`` if it is not at hand.
    """

    name: str
    box: BlackBox
    classes: int
    knowledge: Knowledge = NOTHING
    plain: BlackBox | None = None


def plan(strategy: str, choice: str, data_free: str | None, pool: Path | None, queries: int | None) -> Plan:
    """An attack by its names, checked before a victim is asked anything.

    :raises UsageError: there is none of that name, or it lacks images, or takes none.
    """
    if data_free is not None:
        find_data_free(data_free)
        if pool is not None:
            raise UsageError("a data-free attack makes its own images", where="--transfer-set", fix="Leave it out")
        return Plan(data_free, None, None, queries)
    find_strategy(strategy)
    find_queries(choice)
    if pool is None:
        raise UsageError(
            "the thief has no images to ask", where="--transfer-set", fix="Pass some, or choose a --data-free attack"
        )
    return Plan(strategy, choice, pool, queries)


def artifact_victim(path: Path) -> Asked:
    """An artifact, asked through its runtime.

    :raises EdgeguardError: see :func:`edgeguard.runtimes.load`.
    """
    artifact = open_artifact(path)
    manifest = artifact.manifest
    knowledge = NOTHING if manifest.defense is None else knowledge_of(recorded_defense(manifest.defense))
    box = artifact_box(path)
    _, answer, _ = references(artifact)
    plain = None if answer is None else channels_first(replace(box, answer=answer))
    return Asked(path.name, channels_first(box), manifest.classes, knowledge, plain)


def model_victim(request: LoadRequest, preprocess: Callable[[tuple[int, ...]], Preprocess | None]) -> Asked:
    """A classifier in a file, answering with its posterior.

    :raises EdgeguardError: see :func:`edgeguard.attacks.black_box.posterior_box`.
    """
    box = posterior_box(request, preprocess)
    classes = box.ask(np.zeros((1, *box.input_shape), np.float32)).shape[1]
    return Asked(request.path.name, box, classes, NOTHING, box)


def commit(
    asked: Asked,
    chosen: Plan,
    student: Student,
    recipe: Recipe,
    seed: int,
    test: Path | None,
    tell: Callable[[str], None],
) -> tuple[nn.Module, Loot]:
    """Steal, and measure what can be measured.

    :param test: labelled images; ``None`` leaves the clone unmeasured.
    :param tell: called as a stage begins.
    :raises EdgeguardError: images or the number of queries are unusable.
    """
    tested = None if test is None else test_images(test, asked.box, asked.classes)
    thief = Thief(student, recipe, train, asked.knowledge, seed)
    bought = images = None
    if chosen.pool is None or chosen.choice is None:
        queries = chosen.queries or _DEFAULT_QUERIES
        oracle = Oracle(asked.box, queries)
        clone = find_data_free(chosen.attack)(oracle, thief, queries, canvas_of(asked.box))
    else:
        pool, strategy = pool_of(chosen.pool, asked.box), find_strategy(chosen.attack)
        queries = chosen.queries or min(_DEFAULT_QUERIES, len(pool) * strategy.cost)
        oracle = Oracle(asked.box, queries)
        done = steal(oracle, pool, queries, find_queries(chosen.choice), strategy, thief)
        clone, images = done.clone, len(done.lesson)
        if asked.plain is not None:
            truth = Oracle(asked.plain).ask(done.transfer.inputs)
            bought = exposure(
                done.transfer.queries, done.transfer.answers, truth, done.lesson.targets, done.lesson.kept
            )
    worth = got = None
    if tested is not None:
        tell("measuring the clone")
        inputs, labels = tested
        answers = Oracle(asked.box).ask(inputs)
        got = theft(predict(clone, inputs), answers, labels)
        worth = None if asked.plain is None else utility(answers, Oracle(asked.plain).ask(inputs), labels)
    return clone, Loot(
        asked.name, chosen.attack, chosen.choice, oracle.asked, images, str(student), recipe, seed, worth, bought, got
    )
