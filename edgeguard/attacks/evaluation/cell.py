"""A cell: one theft, and the digest that it is known by, on any machine and wherever its files lie."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from edgeguard.attacks.baselines.registry import PEERS
from edgeguard.attacks.data_free.registry import find_data_free
from edgeguard.attacks.evaluation.grid import (
    NO_POOL,
    AttackSpec,
    DefenseSpec,
    Grid,
    PoolSpec,
    Source,
    VictimSpec,
)
from edgeguard.attacks.readings.registry import find_strategy
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student
from edgeguard.calibration.gating import GATE_VERSION, chosen_score
from edgeguard.defenses.registry import DEFENSES
from edgeguard.digests import json_digest
from edgeguard.errors import UsageError

__all__ = ["AXES", "RULES", "Cell", "CellName", "cells_of", "identity"]

# Raised whenever the same cell would give other figures than before; everything cached or recorded is then made anew.
RULES = 1
# What things are called is no part of what they are.
_LABELS = frozenset({VictimSpec, PoolSpec, DefenseSpec, AttackSpec})


@dataclass(frozen=True, slots=True)
class CellName:
    """What a cell is called along each axis of its grid.

    :param pool: ``-`` for attacks that make their own images.
    """

    victim: str
    defense: str
    pool: str
    attack: str
    student: str
    seed: int

    def __str__(self) -> str:
        return f"{self.victim} {self.defense} {self.pool} {self.attack} {self.student} seed {self.seed}"


AXES = tuple(entry.name for entry in fields(CellName))


@dataclass(frozen=True, slots=True)
class Cell:
    """One theft.

    :param grid: its name.
    :param pool: ``None`` for attacks that make their own images.
    :param seed: of the thief, and of the owner's key where the defense has one.
    :param queries: the thief's budget.
    """

    grid: str
    victim: VictimSpec
    defense: DefenseSpec
    pool: PoolSpec | None
    attack: AttackSpec
    student: Student
    seed: int
    queries: int
    test: Source
    recipe: Recipe

    @property
    def name(self) -> CellName:
        """What it is called, which decides nothing."""
        pool = NO_POOL if self.pool is None else self.pool.name
        return CellName(self.victim.name, self.defense.name, pool, self.attack.name, str(self.student), self.seed)

    @property
    def digest(self) -> str:
        """Its identity: everything that decides its figures, but no name and no path."""
        return json_digest([RULES, *(identity(getattr(self, name)) for name in _DECIDING)])

    def __str__(self) -> str:
        return str(self.name)


_DECIDING = ("victim", "defense", "pool", "attack", "student", "seed", "queries", "test", "recipe")


def identity(value: Any) -> Any:
    """What decides of a specification, as plain data: digests instead of files, no names, and the defense's version."""
    if isinstance(value, Source):
        return value.digest
    if isinstance(value, Student):
        return str(value)
    if isinstance(value, tuple):
        return [identity(entry) for entry in value]
    if not is_dataclass(value):
        return value
    hidden = {"name"} if type(value) in _LABELS else set()
    known = {entry.name: identity(getattr(value, entry.name)) for entry in fields(value) if entry.name not in hidden}
    if isinstance(value, DefenseSpec) and value.defense is not None:
        kind = DEFENSES[value.defense]
        known["version"] = kind.version
        if chosen_score(value.gate, value.budget, kind.tuned) is not None:
            known["gate_version"] = GATE_VERSION
    if isinstance(value, DefenseSpec) and value.baseline is not None:
        known["version"] = PEERS[value.baseline].version
    # Attacks were recorded before they had versions.
    if isinstance(value, AttackSpec) and (version := _version(value)) > 1:
        known["version"] = version
    if isinstance(value, VictimSpec):
        known["format"] = value.model.path.suffix
    return known


def _version(attack: AttackSpec) -> int:
    """Of what the thief does."""
    if attack.data_free is not None:
        return find_data_free(attack.data_free).version
    return 1 if attack.strategy is None else find_strategy(attack.strategy).version


def cells_of(grid: Grid) -> tuple[Cell, ...]:
    """Every cell of a grid: seeds outermost, so that what is done first is a whole picture; near each other are the
    cells of one artifact, the undefended first; attacks that make their own images, the dearest, come last.

    :raises UsageError: two cells differ in names only.
    """
    defenses = sorted(grid.defenses, key=lambda defense: not defense.undefended)
    asking = [attack for attack in grid.attacks if attack.data_free is None]
    making = [attack for attack in grid.attacks if attack.data_free is not None]
    cells = []
    for seed in grid.seeds:
        for attacks, pools in ((asking, grid.pools), (making, (None,))):
            axes = itertools.product(grid.victims, defenses, pools, grid.students, attacks)
            cells += [
                Cell(grid.name, victim, defense, pool, attack, student, seed, grid.queries, grid.test, grid.recipe)
                for victim, defense, pool, student, attack in axes
            ]
    seen: dict[str, Cell] = {}
    for cell in cells:
        twin = seen.setdefault(cell.digest, cell)
        if twin is not cell:
            raise UsageError(
                f"has the same cell twice, as {str(twin)!r} and as {str(cell)!r}",
                where=grid.name,
                fix="Leave one of the two out",
            )
    return tuple(cells)
