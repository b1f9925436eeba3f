"""From the command line and the manifest to a defense, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeguard.defenses.codebook import Codebook
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.decoy import Decoy
from edgeguard.defenses.gate import SCORES, Score
from edgeguard.defenses.head import Head
from edgeguard.defenses.record import record_of, recorded_defense
from edgeguard.defenses.registry import (
    DEFENSES,
    answers_from_table,
    configure,
    default_defense,
    parameters,
    rebuild,
    tables,
)
from edgeguard.errors import UsageError
from tests.defenses.fitted import defense, key, response

DCP: dict[str, float | int | str] = {"beta": 0.9, "gamma": 0.2, "nu": 1000.0}
CODEBOOK: dict[str, Any] = {"starts": [-128, 0], "confidences": [0.5, 0.9]}
EACH = pytest.mark.parametrize("name", sorted(DEFENSES))


def test_every_key_is_the_name_and_the_default_exists() -> None:
    assert all(kind.name == name for name, kind in DEFENSES.items())
    assert list(DEFENSES) == sorted(DEFENSES)
    assert {default_defense(validated=validated) for validated in (True, False)} <= set(DEFENSES)


@EACH
def test_each_says_what_it_is(name: str) -> None:
    kind = DEFENSES[name]
    assert kind.summary
    assert kind.attack
    assert kind.summary[-1] != "."
    assert hasattr(kind, "table_rows") != hasattr(kind, "respond")
    assert answers_from_table(name) == hasattr(kind, "table_rows")
    assert kind.keyed == hasattr(kind, "drawn")
    assert kind.keeps_argmax == (kind.tuned is None)


@EACH
def test_the_range_that_a_budget_looks_in_is_allowed(name: str) -> None:
    made = DEFENSES[name]
    if made.tuned is None:
        return
    parameter, low, high = made.tuned
    assert low < high
    for value in (low, high):
        assert parameters(configure(name, {parameter: str(value)}, 10))[parameter] == value


@EACH
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_record_rebuilds_the_response(name: str, classes: int) -> None:
    made = configure(name, {}, classes)
    assert made == DEFENSES[name].for_classes(classes)
    for found in (made, response(name, classes)):
        assert rebuild(found.name, found.version, parameters(found), tables(found)) == found
        read = json.loads(json.dumps([parameters(found), tables(found)]))
        again = rebuild(found.name, found.version, *read)
        assert again == found
        assert hash(again) == hash(found)


@EACH
@pytest.mark.parametrize("score", [None, *SCORES])
def test_a_record_rebuilds_the_defense(name: str, score: Score | None) -> None:
    fitted = defense(name, Head("logits", 10), score)
    record = record_of(fitted, "host", key_commitment=key().commitment)
    assert recorded_defense(record) == fitted
    assert record.file_undefended
    assert not record_of(fitted, "graph").file_undefended


def test_overrides_replace_the_classes_defaults() -> None:
    assert configure("dcp", {"beta": "1.2"}, 100) == Dcp(beta=1.2, gamma=0.1)
    assert configure("dcp", {}, 10) == Dcp()
    assert configure("decoy", {"mode": "attractor", "levels": "2"}, 10) == Decoy(2, mode="attractor")


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("dpc", {}, "there is no defense 'dpc'.*dcp"),
        ("dcp", {"bata": "1"}, "no parameter 'bata'.*beta, gamma, nu"),
        ("label", {"bata": "1"}, "no parameter 'bata'.*none"),
        ("codebook", {"starts": "1"}, "no parameter 'starts'.*levels"),
        ("dcp", {"beta": "strong"}, "beta must be float, not 'strong'"),
        ("codebook", {"levels": "2.5"}, "levels must be int, not '2.5'"),
        ("dcp", {"beta": "3"}, "beta must lie in"),
        ("dcp", {"nu": "nan"}, "nu must lie in"),
        ("dcp", {"gamma": "inf"}, "gamma must lie in"),
        ("decoy", {"mode": "odd"}, "mode must be"),
        ("top-k", {"k": "10"}, "k = 10 hides nothing of 10 classes"),
    ],
)
def test_the_command_line_is_told_what_is_wrong(name: str, overrides: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        configure(name, overrides, 10)


@pytest.mark.parametrize(
    ("version", "values", "fitted", "said"),
    [
        (2, DCP, {}, "version 2 of dcp, this edgeguard has 1"),
        (1, {"beta": 0.9, "gamma": 0.2}, {}, "other parameters.*nu"),
        (1, {**DCP, "mu": 1.0}, {}, "other parameters.*mu"),
        (1, DCP, {"starts": [1]}, "other parameters.*starts"),
        (1, {**DCP, "beta": "0.9"}, {}, "beta = '0.9'"),
        (1, {**DCP, "beta": -1}, {}, "beta must lie in"),
    ],
)
def test_a_manifest_of_another_edgeguard(
    version: int, values: dict[str, float | int | str], fitted: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        rebuild("dcp", version, values, fitted)


def test_a_manifest_may_lack_a_table_or_hold_a_bad_one() -> None:
    assert rebuild("codebook", 1, {"levels": 4}, CODEBOOK) == Codebook(4, (-128, 0), (0.5, 0.9))
    with pytest.raises(UsageError, match=r"other parameters.*confidences"):
        rebuild("codebook", 1, {"levels": 4}, {"starts": [0]})
    with pytest.raises(UsageError, match="no derangement"):
        rebuild("transition", 1, {"strength": 0.2}, {"sources": [0, 1]})


def test_a_manifest_may_write_a_whole_number() -> None:
    assert rebuild("dcp", 1, {"beta": 1, "gamma": 0.2, "nu": 1000}, {}) == Dcp(beta=1.0)
