"""The graphs to time: each network behind each defense, and the undefended ones that they are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onnx import ModelProto

from benchmarks.cost.networks import HeadKind
from edgeguard.defenses.gate import Score
from edgeguard.defenses.head import Head
from edgeguard.defenses.registry import DEFENSES, answers_from_table
from edgeguard.export.head import attach, expose_integer_logits
from tests.defenses.fitted import defense as fitted

__all__ = ["CONTROLS", "PLAIN", "Variant", "listed", "variants"]

# The undefended network of each head, which ratios are taken against, and the same again as a control.
PLAIN: dict[HeadKind, str] = {"float": "none-float", "int8": "none-int8"}
CONTROLS: dict[HeadKind, str] = {"float": "A/A-float", "int8": "A/A-int8"}
_GATED: tuple[tuple[str, Score], ...] = (
    ("label", "max-logit"),
    ("codebook", "max-logit"),
    ("decoy", "max-logit"),
    ("decoy", "per-class-max-logit"),
    ("decoy", "max-probability"),
    ("decoy", "energy"),
    ("dcp", "max-logit"),
)


@dataclass(frozen=True)
class Variant:
    """One graph.

    :param head: what the network ends in: integer logits for answers from a table, float ones for the others, as the
        export chooses by default.
    """

    name: str
    head: HeadKind
    model: ModelProto


def listed() -> Iterator[tuple[str, str, Score | None]]:
    """Every defense that is timed: its name in the table, its response and its gate."""
    for response in sorted(DEFENSES):
        yield response, response, None
    for response, score in _GATED:
        yield f"{response}+{score}", response, score


def variants(networks: dict[HeadKind, ModelProto], names: frozenset[str] | None = None) -> Iterator[Variant]:
    """The undefended graphs, then the defended ones.

    :param networks: the network with either head, ending in float logits.
    :param names: only these of :func:`listed`; ``None`` for all.
    """
    integer, head = expose_integer_logits(networks["int8"])
    plain = Head("logits", head.classes)
    for name in (PLAIN["float"], CONTROLS["float"]):
        yield Variant(name, "float", attach(networks["float"], plain, None))
    for name in (PLAIN["int8"], CONTROLS["int8"]):
        yield Variant(name, "int8", attach(integer, head, None))
    for name, response, score in listed():
        if names is not None and name not in names:
            continue
        if answers_from_table(response):
            yield Variant(name, "int8", attach(integer, head, fitted(response, head, score)))
        else:
            yield Variant(name, "float", attach(networks["float"], plain, fitted(response, plain, score)))
