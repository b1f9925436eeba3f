"""What a classifier ends in, whatever its file's format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from edgeguard.errors import BadModel

__all__ = ["ANSWER", "LOGITS", "FoundHead", "class_count"]

T = TypeVar("T")

# What the output is called.
LOGITS = "logits"
ANSWER = "probabilities"


@dataclass(frozen=True, slots=True)
class FoundHead(Generic[T]):
    """The end of a classifier.

    :param kind: what the graph returns: ``logits``, ``posterior`` (softmax) or ``log-posterior`` (log-softmax).
    :param logits: the value to defend, as the format names values; for logits the graph's own output.
    :param classes: number of classes.
    """

    kind: Literal["logits", "posterior", "log-posterior"]
    logits: T
    classes: int

    def __str__(self) -> str:
        """For a person."""
        ends = {"logits": "logits", "posterior": "a softmax", "log-posterior": "a log-softmax"}[self.kind]
        return f"a classifier of {self.classes} classes that ends in {ends}"


def class_count(output: str, shape: tuple[int | None, ...] | None, *, axis: int) -> int:
    """The number of classes that an output tells of.

    :param shape: unknown sizes are ``None``; the first is the batch.
    :param axis: where the classes are: 1, or -1 where channels come last.
    :raises BadModel: it is the output of no classifier.
    """
    where = f"output {output!r}"
    if shape is None:
        raise BadModel("its shape cannot be inferred", where=where, fix="Pass --input-shape C,H,W")
    classes = shape[axis] if len(shape) > 1 else None
    others = list(shape[1:])
    if others:
        del others[0 if axis == 1 else -1]
    if len(shape) < 2 or any(size != 1 for size in others):
        printed = ["batch" if index == 0 else "?" if size is None else size for index, size in enumerate(shape)]
        raise BadModel(
            f"has shape {printed}; a classifier returns [batch, classes]",
            where=where,
            fix="edgeguard defends classifiers: detectors, segmenters and generators have no class posterior",
        )
    if classes is None:
        raise BadModel("its number of classes is unknown", where=where, fix="Pass --input-shape C,H,W")
    if classes < 2:
        raise BadModel(
            f"has {classes} class", where=where, fix="A regression or a single sigmoid has no posterior to defend"
        )
    return classes
