"""Whether what a grid names exists, asked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable

from edgeguard.attacks.baselines.registry import configure as configure_peer
from edgeguard.attacks.evaluation.grid import AttackSpec, DefenseSpec, VictimSpec
from edgeguard.attacks.readings.registry import find_strategy
from edgeguard.defenses.registry import configure
from edgeguard.errors import UsageError

__all__ = ["check_attack", "check_baseline", "check_defense"]

# Of the reference victims; parameters whose range depends on the number of classes are checked again at the export.
_CLASSES = 10


def check_attack(attack: AttackSpec) -> AttackSpec:
    """The same attack.

    :raises UsageError: it names a strategy that there is not.
    """
    # Both bring torch.
    from edgeguard.attacks.data_free.registry import find_data_free
    from edgeguard.attacks.queries.registry import find_queries

    try:
        if attack.data_free is not None:
            find_data_free(attack.data_free)
        if attack.strategy is not None:
            find_strategy(attack.strategy)
            find_queries(attack.queries)
    except UsageError as error:
        raise UsageError(error.what, where=f"attacks.{attack.name}", fix=error.fix) from None
    return attack


def check_defense(defense: DefenseSpec, classes: int | None) -> DefenseSpec:
    """The same defense.

    :param classes: of a victim, if the grid says.
    :raises UsageError: it names a defense or a parameter that there is not.
    """
    try:
        if defense.defense is not None:
            configure(defense.defense, dict(defense.params), _CLASSES if classes is None else classes)
    except UsageError as error:
        raise UsageError(error.what, where=f"defenses.{defense.name}", fix=error.fix) from None
    return defense


def check_baseline(defense: DefenseSpec, victims: Iterable[VictimSpec]) -> None:
    """Let pass what is no baseline, and baselines that there are.

    :raises UsageError: there is no such peer or parameter, or a victim is a file that torch cannot train around.
    """
    if defense.baseline is None:
        return
    where = f"defenses.{defense.name}"
    try:
        configure_peer(defense.baseline, dict(defense.params))
    except UsageError as error:
        raise UsageError(error.what, where=where, fix=error.fix) from None
    for victim in victims:
        if victim.student is None:
            raise UsageError(
                f"the baseline {defense.baseline!r} takes the network as torch knows it, and {victim.name!r} is a file",
                where=where,
                fix="Name one of our students and the .pt of its weights",
            )
