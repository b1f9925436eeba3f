"""A generator against a student: one draws images on which the two disagree, student and victim, the other learns them.

Every answer, also those along which the generator's gradient is estimated, comes from the oracle, which is the deployed
victim with its defense. A thief has no other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgeguard.attacks.data_free.canvas import Canvas
from edgeguard.attacks.data_free.generator import Generator, painted
from edgeguard.attacks.data_free.gradients import forward_differences
from edgeguard.attacks.data_free.settings import Settings, shares
from edgeguard.attacks.isolation import isolated, seeded
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.students.registry import build
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.training import device
from edgeguard.errors import UsageError

__all__ = ["DataFreeAttack", "Game", "cosine"]


@dataclass(frozen=True, slots=True)
class Game:
    """What tells one attack from another.

    :param loss: from answers and the student's logits to one value an image.
    :param replays: steps a round on images that were asked before; they cost no query.
    :param memory: batches that are remembered for it, the latest.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    replays: int = 0
    memory: int = 0

    def __post_init__(self) -> None:
        """Refuse replays of nothing.

        :raises UsageError: naming the numbers.
        """
        if self.replays < 0 or self.memory < min(1, self.replays):
            raise UsageError(f"{self.replays} replays of {self.memory} batches remembered", where="data-free attack")


def cosine(progress: float) -> float:
    """The part of both learning rates that is left, after a part of the attack."""
    return (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True, slots=True)
class DataFreeAttack:
    """Steals without images.

    :param version: raised whenever the same thief would get another clone than before.
    """

    settings: Settings
    game: Game
    version: int = 1

    def __call__(self, oracle: Oracle, thief: Thief, queries: int, canvas: Canvas) -> nn.Module:
        """The clone, in evaluation mode, answering with logits ``[n, classes]``.

        It learns while the thief asks: of the thief only the student and the seed count, not his recipe nor what he
        knows. What does not make a round is spent on the student's last steps.

        :param oracle: gives all answers that the attack uses, also those for the generator's gradients.
        :param queries: exactly so many are asked.
        :raises UsageError: they are fewer than one round takes, or the student cannot take such images.
        :raises BudgetSpent: the oracle answers fewer.
        """
        settings = self.settings
        rounds = settings.rounds(queries)
        if oracle.input_shape != canvas.shape:
            raise UsageError(f"a canvas {list(canvas.shape)} for inputs {list(oracle.input_shape)}", where="canvas")
        last = queries - (rounds - 1) * (settings.student_queries + settings.generator_queries)
        with isolated():
            contest = _Contest(oracle, thief, canvas, settings, self.game)
            for number in range(rounds):
                contest.slow_to(cosine(number / rounds))
                final = number == rounds - 1
                for count in shares(last if final else settings.student_queries, settings.student_steps):
                    contest.teach_student(count)
                contest.replay()
                if not final:
                    for _ in range(settings.generator_steps):
                        contest.teach_generator()
        return contest.student.eval()


class _Contest:
    """The two networks and their optimizers. How many classes there are is read off the first answers."""

    def __init__(self, oracle: Oracle, thief: Thief, canvas: Canvas, settings: Settings, game: Game) -> None:
        self._oracle, self._thief, self._canvas, self._settings, self._game = oracle, thief, canvas, settings, game
        self._device = device()
        self._draws = torch.Generator().manual_seed(thief.seed)
        with seeded(thief.seed):
            self._generator = Generator(settings.latent, settings.width, canvas).to(self._device).train()
        self._generator_optimizer = torch.optim.Adam(self._generator.parameters(), lr=settings.generator_rate)
        self._seen: deque[tuple[Tensor, Tensor]] = deque(maxlen=game.memory)
        self._student: nn.Module | None = None

    @property
    def student(self) -> nn.Module:
        """Once anything was answered."""
        assert self._student is not None
        return self._student

    def slow_to(self, part: float) -> None:
        """Go on with this part of the learning rates."""
        self._part = part
        for group in self._generator_optimizer.param_groups:
            group["lr"] = part * self._settings.generator_rate

    def teach_student(self, count: int) -> None:
        """A step on so many new images."""
        with torch.no_grad():
            images = painted(self._sketches(count), self._canvas)
        answers = self._asked(images)
        if self._student is None:
            self._student = self._built(answers.shape[1])
        self._step(images, answers)
        self._seen.append((images, answers))

    def replay(self) -> None:
        """Steps on batches that were asked before."""
        for _ in range(self._game.replays):
            chosen = int(torch.randint(len(self._seen), (), generator=self._draws))
            self._step(*self._seen[chosen])

    def teach_generator(self) -> None:
        """A step towards images on which student and victim disagree more."""
        sketches = self._sketches(self._settings.batch)
        # Statistics of a batch would let one image's neighbour change another's loss.
        self.student.eval()
        step = self._settings.epsilon * math.sqrt(sketches[0].numel())
        slopes = forward_differences(
            self._disagreement, sketches.detach(), self._settings.directions, step, self._draws
        )
        self.student.train()
        self._generator_optimizer.zero_grad()
        torch.autograd.backward(sketches, -slopes / len(slopes))
        self._generator_optimizer.step()

    def _disagreement(self, sketches: Tensor) -> Tensor:
        images = painted(sketches, self._canvas)
        return self._game.loss(self._asked(images), self.student(images))

    def _sketches(self, count: int) -> Tensor:
        noise = torch.randn(count, self._settings.latent, generator=self._draws).to(self._device)
        sketches: Tensor = self._generator(noise)
        return sketches

    def _asked(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._oracle.ask(images.cpu().numpy())).to(self._device)

    def _built(self, classes: int) -> nn.Module:
        with seeded(self._thief.seed):
            student = build(self._thief.student, self._canvas.shape, classes).to(self._device).train()
        self._optimizer = torch.optim.Adam(student.parameters(), lr=self._settings.student_rate)
        return student

    def _step(self, images: Tensor, answers: Tensor) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self._part * self._settings.student_rate
        self._optimizer.zero_grad()
        torch.autograd.backward(self._game.loss(answers, self.student(images)).mean())
        self._optimizer.step()
