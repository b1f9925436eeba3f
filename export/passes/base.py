"""What a pass is, and how passes run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from onnx import ModelProto

__all__ = ["Pass", "run_passes"]


class Pass(Protocol):
    """A rewrite of a model with a precondition and postconditions."""

    @property
    def name(self) -> str:
        """For messages."""

    def requires(self, model: ModelProto) -> None:
        """Refuse models that the pass cannot handle.

        :raises BadModel: with the reason.
        """

    def run(self, model: ModelProto) -> ModelProto:
        """The rewritten model; the argument is left alone."""

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """The guards.

        :raises GuardFailed: the rewrite broke what it promises.
        """


def run_passes(model: ModelProto, passes: Iterable[Pass]) -> ModelProto:
    """Run passes one after the other, guards included."""
    for each in passes:
        each.requires(model)
        result = each.run(model)
        each.ensures(model, result)
        model = result
    return model
