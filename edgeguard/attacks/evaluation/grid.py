"""A grid: victims, defenses, pools, attacks, students and seeds, every combination of which is a cell.

What a grid says, as values. :mod:`edgeguard.attacks.evaluation.grid_file` reads them from TOML.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student
from edgeguard.defenses.gate import Score
from edgeguard.errors import UsageError
from edgeguard.preprocess import Layout, Preprocess, preset

__all__ = ["NO_POOL", "AttackSpec", "DefenseSpec", "Grid", "PoolSpec", "Preprocessing", "Source", "VictimSpec"]

# What stands for the pool of an attack that needs no images.
NO_POOL = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or a folder of images, and what is in it.

    :param path: where it lies; no part of any identity.
    :param digest: of its content; see :func:`edgeguard.attacks.evaluation.content.content_digest`.
    """

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """A preset and what is changed of it; ``None`` leaves the preset's value.

    Calling it with a network's input shape gives the :class:`~edgeguard.preprocess.Preprocess`.
    """

    preset: str = "unit"
    layout: Layout = "nchw"
    crop: float | None = None
    colour: Literal["rgb", "bgr", "grey"] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: float | None = None
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = None

    def __call__(self, input_shape: tuple[int, ...]) -> Preprocess:
        """For inputs of a shape, without the batch axis.

        :raises UsageError: they are no images, or the preset does not fit them.
        """
        if len(input_shape) != 3:
            raise UsageError(f"the network's input {list(input_shape)} is no image", where="preprocess")
        first, second, third = input_shape
        names = ("crop", "colour", "mean", "std", "scale", "resample")
        changes: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(preset(self.preset, (first, second, third), self.layout), **changes)


@dataclass(frozen=True, slots=True)
class VictimSpec:
    """A network to attack.

    :param model: ``.onnx``, ``.pt2``, or the state_dict of a student of ours in a ``.pt``.
    :param student: which one, for a ``.pt``; then ``input_shape`` and ``classes`` are known too.
    :param calibration: images for the ranges, needed for ``int8``.
    :param validation: images that defenses are tuned on.
    """

    name: str
    model: Source
    int8: bool
    target: str
    preprocess: Preprocessing
    student: Student | None = None
    input_shape: tuple[int, ...] | None = None
    classes: int | None = None
    calibration: Source | None = None
    calibration_limit: int | None = None
    validation: Source | None = None

    def __post_init__(self) -> None:
        """Refuse victims that could not be exported, or only with code that the grid does not hold.

        :raises UsageError: naming what is missing.
        """
        if self.model.path.suffix not in (".onnx", ".pt2", ".pt"):
            raise UsageError(
                "a model of a grid is .onnx, .pt2, or the state_dict of a student in a .pt", where=self.name
            )
        if (self.student is not None) != (self.model.path.suffix == ".pt"):
            raise UsageError(
                "a .pt holds the weights of one of our students, and the others say themselves what they are",
                where=self.name,
                fix='Write student = "resnet20" beside a .pt and nowhere else; save other networks as .pt2 or .onnx',
            )
        if self.student is not None and (self.input_shape is None or self.classes is None):
            raise UsageError(
                "a .pt says neither how large its images are nor how many classes it has",
                where=self.name,
                fix="Write input-shape = [3, 32, 32] and classes = 10",
            )
        if self.int8 and self.calibration is None:
            raise UsageError("int8 needs images for its ranges", where=self.name, fix="Name them: calibration = ...")


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """Images that a thief has; at most ``limit`` of them, evenly spread."""

    name: str
    data: Source
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class DefenseSpec:
    """What stands between the network and the thief.

    :param defense: one of edgeguard's; ``None`` for no defense, or a peer.
    :param params: parameter and value, as text, in sorted order.
    :param head: how integer logits leave the network; ``None`` for what suits the defense.
    :param queries: images that gated answers imitate; of a baseline, those that its own networks learn from.
    :param baseline: a peer, for float victims, instead of a defense of edgeguard's.
    """

    name: str
    defense: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    budget: float | None = None
    gate: Score | Literal["none"] | None = None
    head: Literal["float", "int8"] | None = None
    queries: Source | None = None
    baseline: str | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        :raises UsageError: naming the contradiction.
        """
        if self.defense is not None and self.baseline is not None:
            raise UsageError("is both a defense and a baseline", where=self.name, fix="Leave one of the two out")
        tuned = {"budget": self.budget, "gate": self.gate, "head": self.head, "queries": self.queries}
        for key, value in tuned.items():
            if key == "queries" and self.baseline is not None:
                continue
            if value is not None and self.defense is None:
                raise UsageError(f"{key} means nothing without a defense", where=self.name, fix="Write name = ...")
        if self.params and self.defense is None and self.baseline is None:
            raise UsageError("params mean nothing without a defense", where=self.name, fix="Write name = ...")

    @property
    def undefended(self) -> bool:
        """Whether nothing stands there."""
        return self.defense is None and self.baseline is None


@dataclass(frozen=True, slots=True)
class AttackSpec:
    """What the thief does.

    :param strategy: how he reads answers and trains.
    :param queries: how he chooses images.
    :param data_free: an attack that makes its own images, instead of both.
    """

    name: str
    strategy: str | None = None
    queries: str = "random"
    data_free: str | None = None

    def __post_init__(self) -> None:
        """Refuse attacks that are neither one thing nor the other.

        :raises UsageError: it has a strategy and is data-free, or neither.
        """
        if (self.strategy is None) == (self.data_free is None):
            raise UsageError(
                "an attack has a strategy, or is data-free", where=self.name, fix="Write one of the two keys"
            )


@dataclass(frozen=True, slots=True)
class Grid:
    """Everything that a grid file says.

    :param name: of the grid, as it stands in records.
    :param queries: budget of the thief in every cell.
    :param test: labelled images, which nothing is tuned on.
    """

    name: str
    queries: int
    seeds: tuple[int, ...]
    test: Source
    students: tuple[Student, ...]
    victims: tuple[VictimSpec, ...]
    pools: tuple[PoolSpec, ...]
    defenses: tuple[DefenseSpec, ...]
    attacks: tuple[AttackSpec, ...]
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        """Refuse grids without cells, or with some that cannot be.

        :raises UsageError: naming what is missing or contradicts.
        """
        if self.queries < 1 or any(seed < 0 for seed in self.seeds):
            raise UsageError("queries must be at least 1, and no seed negative", where=self.name)
        for what in ("seeds", "students", "victims", "defenses", "attacks"):
            if not getattr(self, what):
                raise UsageError(f"has no {what}", where=self.name, fix=f"A cell needs one of each; add {what}")
        for what in ("seeds", "students"):
            if len(set(getattr(self, what))) < len(getattr(self, what)):
                raise UsageError(f"names one of its {what} twice", where=self.name)
        if not self.pools and any(attack.data_free is None for attack in self.attacks):
            raise UsageError("has no pools, and its attacks ask images", where=self.name, fix="Add [pools.NAME]")
        peers = [defense.name for defense in self.defenses if defense.baseline is not None]
        quantized = [victim.name for victim in self.victims if victim.int8]
        if peers and quantized:
            raise UsageError(
                f"the baseline {peers[0]!r} needs gradients of its victim, and {quantized[0]!r} is int8",
                where=self.name,
                fix="Put baselines into a grid of float victims",
            )
