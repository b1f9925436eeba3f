"""How a generator and a student are set against each other, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.errors import UsageError

__all__ = ["Settings", "shares"]

_WHERE = "data-free attack"


@dataclass(frozen=True, slots=True)
class Settings:
    """One round: the student learns from new images, then the generator learns where the student is wrong.

    :param batch: images a step; at least two, as BatchNorm needs.
    :param latent: length of the generator's noise.
    :param width: of the generator; see :class:`~edgeguard.attacks.data_free.generator.Generator`.
    :param student_steps: a round.
    :param generator_steps: a round.
    :param directions: m, along which each image's gradient is estimated.
    :param epsilon: how far along each: the root mean square over a sketch's values, whose own deviation is 1, as the
        generator normalises them. The papers step by 1e-3 in the norm of a whole image. Most of that is lost in an int8
        victim's rounding; most of a tenth of the image's own spread is not.
    :param student_rate: learning rate of the student, by Adam. Descent at the papers' rate of 0.1 left a LeNet, which
        has no BatchNorm, at chance after most of 100,000 queries of DFME.
    :param generator_rate: learning rate of the generator, by Adam.
    """

    batch: int
    latent: int
    width: int
    student_steps: int
    generator_steps: int
    directions: int
    epsilon: float
    student_rate: float
    generator_rate: float

    def __post_init__(self) -> None:
        """Refuse settings that teach nothing.

        :raises UsageError: naming the field.
        """
        for name in ("batch", "latent", "width", "student_steps", "generator_steps", "directions"):
            least = 2 if name == "batch" else 1
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}", where=_WHERE)
        for name in ("epsilon", "student_rate", "generator_rate"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be positive, not {getattr(self, name):g}", where=_WHERE)

    @property
    def student_queries(self) -> int:
        """What the student's steps of a round cost."""
        return self.batch * self.student_steps

    @property
    def generator_queries(self) -> int:
        """What the generator's steps of a round cost: each image once, and once along each direction."""
        return self.batch * self.generator_steps * (self.directions + 1)

    def rounds(self, queries: int) -> int:
        """How many rounds a budget pays for, the last of which needs no steps of the generator.

        :raises UsageError: not one whole round.
        """
        whole = self.student_queries + self.generator_queries
        if queries < whole:
            raise UsageError(
                f"{queries} queries pay for no round of {whole}",
                where=_WHERE,
                fix=f"Allow at least {whole} queries; such attacks are usually given hundreds of thousands",
            )
        return (queries + self.generator_queries) // whole


def shares(total: int, parts: int) -> list[int]:
    """Whole numbers that sum to a total and differ by at most 1, the larger ones first."""
    each, rest = divmod(total, parts)
    return [each + 1] * rest + [each] * (parts - rest)
