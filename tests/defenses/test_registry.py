"""From the command line and the manifest to a defense, and back."""

from __future__ import annotations

import pytest

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.registry import DEFAULT_DEFENSE, DEFENSES, configure, parameters, rebuild
from edgeguard.errors import UsageError


def test_every_key_is_the_name_and_the_default_exists() -> None:
    assert all(kind.name == key for key, kind in DEFENSES.items())
    assert DEFAULT_DEFENSE in DEFENSES


@pytest.mark.parametrize("name", sorted(DEFENSES))
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_record_rebuilds_the_defense(name: str, classes: int) -> None:
    defense = configure(name, {}, classes)
    assert defense == DEFENSES[name].for_classes(classes)
    assert rebuild(defense.name, defense.version, parameters(defense)) == defense


def test_overrides_replace_the_classes_defaults() -> None:
    assert configure("dcp", {"beta": "1.2"}, 100) == Dcp(beta=1.2, gamma=0.1)
    assert configure("dcp", {}, 10) == Dcp()


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("dpc", {}, "there is no defense 'dpc'.*dcp"),
        ("dcp", {"bata": "1"}, "no parameter 'bata'.*beta, gamma, nu"),
        ("dcp", {"beta": "strong"}, "beta must be float, not 'strong'"),
        ("dcp", {"beta": "3"}, "beta must lie in"),
        ("dcp", {"nu": "nan"}, "nu must lie in"),
        ("dcp", {"gamma": "inf"}, "gamma must lie in"),
    ],
)
def test_the_command_line_is_told_what_is_wrong(name: str, overrides: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        configure(name, overrides, 10)


@pytest.mark.parametrize(
    ("version", "values", "said"),
    [
        (2, {"beta": 0.9, "gamma": 0.2, "nu": 1000.0}, "version 2 of dcp, this edgeguard has 1"),
        (1, {"beta": 0.9, "gamma": 0.2}, "other parameters.*nu"),
        (1, {"beta": 0.9, "gamma": 0.2, "nu": 1000.0, "mu": 1.0}, "other parameters.*mu"),
        (1, {"beta": "0.9", "gamma": 0.2, "nu": 1000.0}, "beta = '0.9'"),
        (1, {"beta": -1, "gamma": 0.2, "nu": 1000.0}, "beta must lie in"),
    ],
)
def test_a_manifest_of_another_edgeguard(version: int, values: dict[str, float | int | str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        rebuild("dcp", version, values)


def test_a_manifest_may_write_a_whole_number() -> None:
    assert rebuild("dcp", 1, {"beta": 1, "gamma": 0.2, "nu": 1000}) == Dcp(beta=1.0)
