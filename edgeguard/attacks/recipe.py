"""How a student is trained, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgeguard.errors import UsageError

__all__ = ["AUGMENTATIONS", "OBJECTIVES", "Augmentation", "Objective", "Precision", "Recipe"]

Augmentation = Literal["none", "shift", "mirror-shift"]
Objective = Literal["supervised", "s4l"]
Precision = Literal["float32", "bfloat16"]
AUGMENTATIONS: tuple[str, ...] = get_args(Augmentation)
OBJECTIVES: tuple[str, ...] = get_args(Objective)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Stochastic gradient descent with Nesterov's momentum on soft targets, one cosine cycle with a short warm-up.

    :param epochs: passes over the lesson.
    :param batch: images a step.
    :param rate: the largest learning rate.
    :param decay: weight decay of matrices and kernels.
    :param augmentation: ``shift`` moves a batch by up to an eighth of its size; ``mirror-shift`` also mirrors half of
        it.
    :param objective: ``s4l`` adds the prediction of rotations (Zhai et al., ICCV 2019).
    :param precision: of activations and gradients; weights are float32.
    """

    epochs: int = 24
    batch: int = 64
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 5e-4
    augmentation: Augmentation = "mirror-shift"
    objective: Objective = "supervised"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        """Refuse recipes that train nothing.

        :raises UsageError: naming the field.
        """
        if self.epochs < 1 or self.batch < 1 or not self.rate > 0 or not 0 <= self.momentum < 1 or self.decay < 0:
            raise UsageError(
                f"a recipe of {self.epochs} epochs, batches of {self.batch}, rate {self.rate:g}, momentum "
                f"{self.momentum:g} and decay {self.decay:g} trains nothing"
            )
        for name, chosen, known in (
            ("augmentation", self.augmentation, AUGMENTATIONS),
            ("objective", self.objective, OBJECTIVES),
            ("precision", self.precision, get_args(Precision)),
        ):
            if chosen not in known:
                raise UsageError(f"there is no {name} {chosen!r}", fix=f"Choose one of: {', '.join(known)}")
