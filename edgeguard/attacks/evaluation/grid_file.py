"""Reading a ``grid.toml``. Its paths begin at its own place, and no key of it can name code.

::

    name = "edge-ci"
    queries = 10000
    seeds = [0, 1, 2]
    students = ["lenet"]
    test = "fashion-test.npz"

    [recipe]
    epochs = 24

    [victims.int8]
    model = "lenet.pt"
    student = "lenet"
    input-shape = [1, 28, 28]
    classes = 10
    int8 = true
    calibration = "calibration.npz"
    validation = "tuning.npz"

    [pools.mnist]
    data = "mnist.npz"

    [defenses.undefended]
    [defenses.decoy-1]
    name = "decoy"
    budget = 1.0

    [attacks.naive]
    strategy = "naive"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgeguard.attacks.evaluation.content import SourceReader
from edgeguard.attacks.evaluation.grid import (
    AttackSpec,
    DefenseSpec,
    Grid,
    PoolSpec,
    Preprocessing,
    VictimSpec,
)
from edgeguard.attacks.evaluation.known import check_attack, check_baseline, check_defense
from edgeguard.attacks.recipe import Augmentation, Objective, Precision, Recipe
from edgeguard.attacks.students.registry import parse_student
from edgeguard.defenses.gate import Score
from edgeguard.errors import BadData, UsageError
from edgeguard.preprocess import Layout
from edgeguard.targets import DEFAULT_TARGET, find_target

__all__ = ["read_grid"]

T = TypeVar("T")
_Scalar = bool | int | float | str


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=lambda name: name.replace("_", "-")
    )


class _Recipe(_Table):
    epochs: int | None = None
    batch: int | None = None
    rate: float | None = None
    momentum: float | None = None
    decay: float | None = None
    augmentation: Augmentation | None = None
    objective: Objective | None = None
    precision: Precision | None = None


class _Victim(_Table):
    model: str
    student: str | None = None
    input_shape: list[int] | None = None
    classes: int | None = None
    int8: bool = False
    target: str = DEFAULT_TARGET
    calibration: str | None = None
    calibration_limit: int | None = Field(None, ge=1)
    validation: str | None = None
    preprocess: str = "unit"
    layout: Layout = "nchw"
    crop: float | None = None
    colour: Literal["rgb", "bgr", "grey"] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    scale: float | None = None
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = None


class _Pool(_Table):
    data: str
    limit: int | None = Field(None, ge=1)


class _Defense(_Table):
    name: str | None = None
    params: dict[str, _Scalar] = {}
    budget: float | None = None
    gate: Score | Literal["none"] | None = None
    head: Literal["float", "int8"] | None = None
    queries: str | None = None
    baseline: str | None = None


class _Attack(_Table):
    strategy: str | None = None
    queries: str = "random"
    data_free: str | None = None


class _Grid(_Table):
    name: str
    queries: int
    seeds: list[int]
    test: str
    students: list[str]
    recipe: _Recipe = _Recipe()
    victims: dict[str, _Victim]
    pools: dict[str, _Pool] = {}
    defenses: dict[str, _Defense]
    attacks: dict[str, _Attack]


def read_grid(path: Path) -> Grid:
    """The grid in a file, every file that it names read once for its digest.

    :raises UsageError: there is no such file, or what it says makes no grid; unknown keys are named, and the known.
    :raises BadData: it is no TOML, or a file that it names cannot be read.
    """
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path))
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadData(f"cannot be read: {error}", where=str(path)) from None
    try:
        said = _Grid.model_validate(content)
    except ValidationError as error:
        raise _refusal(error, path) from None
    try:
        grid = _grid(said, SourceReader(path.parent))
        for defense in grid.defenses:
            check_baseline(defense, grid.victims)
    except UsageError as error:
        where = str(path) if error.where is None else f"{path}: {error.where}"
        raise UsageError(error.what, where=where, fix=error.fix) from None
    return grid


def _grid(said: _Grid, source: SourceReader) -> Grid:
    victims = _each(said.victims, lambda name, victim: _victim(name, victim, source))
    classes = next((victim.classes for victim in victims if victim.classes is not None), None)
    return Grid(
        name=said.name,
        queries=said.queries,
        seeds=tuple(said.seeds),
        test=source(said.test),
        students=tuple(map(parse_student, said.students)),
        victims=victims,
        pools=_each(said.pools, lambda name, pool: PoolSpec(name, source(pool.data), pool.limit)),
        defenses=_each(said.defenses, lambda name, given: check_defense(_defense(name, given, source), classes)),
        attacks=_each(
            said.attacks,
            lambda name, attack: check_attack(AttackSpec(name, attack.strategy, attack.queries, attack.data_free)),
        ),
        recipe=Recipe(**said.recipe.model_dump(exclude_none=True)),
    )


def _victim(name: str, said: _Victim, source: SourceReader) -> VictimSpec:
    return VictimSpec(
        name=name,
        model=source(said.model),
        int8=said.int8,
        target=find_target(said.target).name,
        preprocess=Preprocessing(
            said.preprocess,
            said.layout,
            said.crop,
            said.colour,
            None if said.mean is None else tuple(said.mean),
            None if said.std is None else tuple(said.std),
            said.scale,
            said.resample,
        ),
        student=None if said.student is None else parse_student(said.student),
        input_shape=None if said.input_shape is None else tuple(said.input_shape),
        classes=said.classes,
        calibration=None if said.calibration is None else source(said.calibration),
        calibration_limit=said.calibration_limit,
        validation=None if said.validation is None else source(said.validation),
    )


def _defense(name: str, said: _Defense, source: SourceReader) -> DefenseSpec:
    return DefenseSpec(
        name=name,
        defense=said.name,
        params=tuple(sorted((key, str(value)) for key, value in said.params.items())),
        budget=said.budget,
        gate=said.gate,
        head=said.head,
        queries=None if said.queries is None else source(said.queries),
        baseline=said.baseline,
    )


def _each(tables: Mapping[str, T], made: Callable[[str, T], Any]) -> tuple[Any, ...]:
    return tuple(made(name, table) for name, table in tables.items())


def _refusal(error: ValidationError, path: Path) -> UsageError:
    errors = error.errors(include_url=False)
    # A key misspelt is missing too, and the misspelling is what helps.
    first = next((entry for entry in errors if entry["type"] == "extra_forbidden"), errors[0])
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return UsageError(f"{place}: {first['msg']}", where=str(path))
    *table, key = (str(part) for part in first["loc"])
    known = ", ".join(_keys(tuple(table)))
    if key.isdigit() and len(table) > 1:
        known += f'. Write quotes around a name with a dot: "{table[-1]}.{key}"'
    return UsageError(f"{key!r} is not known", where=f"{path}: {'.'.join(table) or 'grid'}", fix=f"It has: {known}")


def _keys(table: tuple[str, ...]) -> list[str]:
    """The keys that a table of the file may have."""
    kind: Any = _Grid
    for name in table[:1]:
        kind = _Grid.model_fields[name].annotation
        kind = get_args(kind)[1] if get_args(kind) else kind
    return [str(entry.alias) for entry in kind.model_fields.values()]
