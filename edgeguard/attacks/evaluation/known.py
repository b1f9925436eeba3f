"""Whether what a grid names exists, asked before anything is computed."""

from __future__ import annotations

from edgeguard.attacks.evaluation.grid import AttackSpec, DefenseSpec
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


def check_baseline(defense: DefenseSpec) -> None:
    """Let pass what is no baseline.

    :raises UsageError: it is one; there are none yet.
    """
    if defense.baseline is not None:
        raise UsageError(f"there is no baseline {defense.baseline!r}", where=f"defenses.{defense.name}")
