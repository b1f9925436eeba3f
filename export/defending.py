"""From what the owner asks for to a fitted defense on the network's end."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.calibration.data_set import DataSet
from edgeguard.calibration.gating import chosen_score
from edgeguard.calibration.sets import open_set
from edgeguard.calibration.tuning import Wish, tune
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.record import DefenseRecord, record_of
from edgeguard.defenses.registry import answers_from_table, configure
from edgeguard.errors import BadData, BadModel
from edgeguard.export.evidence import Logits, gather
from edgeguard.export.graph import Graph
from edgeguard.export.network import Network
from edgeguard.export.request import DefenseChoice, Reporter
from edgeguard.keys import read_key
from edgeguard.preprocess import Preprocess

__all__ = ["Ending", "Fitted", "defend_model", "ending_of", "fit", "wish_of"]


@dataclass(frozen=True, slots=True)
class Ending:
    """A network cut where a defense begins.

    :param head: what its output is: integer logits where the network has them.
    """

    graph: Graph
    head: Head


@dataclass(frozen=True, slots=True)
class Fitted:
    """A defense ready to be attached, and its record."""

    defense: Defense
    record: DefenseRecord


def wish_of(choice: DefenseChoice, classes: int) -> Wish:
    """What was asked for, checked before anything is computed.

    :raises UsageError: it contradicts itself, or the key cannot be read.
    """
    response = configure(choice.name, choice.overrides, classes)
    score = chosen_score(choice.gate, choice.budget, response.tuned)
    key = None if choice.key is None else read_key(choice.key)
    return Wish(response, score, choice.budget, key, frozenset(choice.overrides))


def ending_of(network: Network, choice: DefenseChoice | None) -> Ending:
    """The network up to its integer logits if it has such and the defense uses them, otherwise up to its float ones."""
    asked = choice is not None and (
        choice.placement == "host" or bool(choice.budget) or answers_from_table(choice.name)
    )
    if not asked:
        return Ending(network.graph, Head("logits", network.classes))
    try:
        return Ending(*network.graph.in_integers())
    except BadModel:
        return Ending(network.graph, Head("logits", network.classes))


def fit(
    choice: DefenseChoice,
    wish: Wish,
    network: Network,
    float_logits: Logits | None,
    ending: Ending,
    data: DataSet,
    validation: DataSet | None,
    preprocess: Preprocess | None,
    reporter: Reporter,
) -> Fitted:
    """Tune the defense to the network.

    :param data: images for what needs any at all, such as the range of the logits.
    :param validation: images that the network was not trained on.
    :raises BadData: there are none, and the defense cannot do without.
    """
    if validation is None and wish.needs_validation:
        what = "a budget" if wish.budget else f"{choice.name}"
        raise BadData(
            f"{what} is tuned on images that the network was not trained on, and none were given",
            where="--defense",
            fix="Pass --validation, best with labels",
        )
    defense, tuning = Defense(wish.response), None
    if wish.needs_data:
        reporter.step(f"tuning {choice.name}")
        evidence = gather(
            network.logits,
            float_logits,
            data if validation is None else validation,
            None if choice.queries is None else open_set(choice.queries, preprocess, _input_shape(data)),
            network.classes,
            reporter,
            layout="nchw" if preprocess is None else preprocess.layout,
            reference=wish.score is not None,
        )
        tuned = tune(wish, evidence, ending.head)
        for warning in tuned.warnings:
            reporter.warn(warning)
        defense, tuning = tuned.defense, tuned.tuning
    on_host = choice.placement == "host"
    if on_host:
        reporter.warn(
            f"the model file itself is NOT defended (placement host): only edgeguard's runtime applies {choice.name}; "
            "whoever runs the file with plain onnxruntime reads raw logits"
        )
    record = record_of(
        defense,
        choice.placement,
        key_commitment=None if wish.key is None else wish.key.commitment,
        tuning=tuning if wish.needs_validation else None,
    )
    return Fitted(defense, record)


def defend_model(ending: Ending, fitted: Fitted | None, network: Network) -> tuple[Graph, Head]:
    """The deployed graph, and what it ends in."""
    if fitted is None:
        return network.graph.answering(Head("logits", network.classes), None), Head("posterior", network.classes)
    if fitted.record.placement == "host":
        return ending.graph, ending.head
    return ending.graph.answering(ending.head, fitted.defense), Head("posterior", network.classes)


def _input_shape(data: DataSet) -> tuple[int, ...]:
    shape: tuple[int, ...] = next(iter(data.batches(1))).inputs.shape[1:]
    return shape
