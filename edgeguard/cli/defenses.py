"""``edgeguard defenses``: what there is to choose from, by what it costs and gives."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import click

from edgeguard.cli.console import print_json
from edgeguard.cli.options import json_option
from edgeguard.defenses import gate
from edgeguard.defenses.registry import (
    DEFAULT_WITH_VALIDATION,
    DEFAULT_WITHOUT_VALIDATION,
    DEFENSES,
    answers_from_table,
    parameters,
)
from edgeguard.defenses.response import Response

__all__ = ["defenses"]

_DEFAULTS = {DEFAULT_WITH_VALIDATION: "with --validation", DEFAULT_WITHOUT_VALIDATION: "without --validation"}


@click.command()
@click.argument("name", required=False, type=click.Choice([*DEFENSES, "gates"]))
@json_option
def defenses(name: str | None, as_json: bool) -> None:
    """List the defenses with cost, guarantees and parameters; with NAME, explain one: formula, source, attack."""
    if as_json:
        print_json([_row(kind) for kind in DEFENSES.values() if name in (None, kind.name)])
    elif name == "gates":
        click.echo(inspect.getdoc(gate))
    elif name is not None:
        click.echo(inspect.getdoc(sys.modules[DEFENSES[name].__module__]))
        click.echo("\n" + "\n".join(_lines(_row(DEFENSES[name]))))
    else:
        for kind in DEFENSES.values():
            click.echo("\n".join(_lines(_row(kind))))
        click.echo(
            f"Any of them may stand behind a gate ({', '.join(gate.SCORES)}): see edgeguard defenses gates. What each "
            "costs in time was measured in benchmarks/results/defense_cost.md."
        )


def _row(kind: type[Response]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "version": kind.version,
        "summary": kind.summary,
        "default": _DEFAULTS.get(kind.name),
        "keeps_argmax": kind.keeps_argmax,
        "many_to_one": answers_from_table(kind.name),
        "keyed": kind.keyed,
        "needs_validation": "starts" in kind.__dataclass_fields__,  # type: ignore[attr-defined]
        "budget_tunes": "gate" if kind.tuned is None else kind.tuned[0],
        "operators": kind.operators,
        "parameters": parameters(kind.for_classes(10)),
        "attack": kind.attack,
    }


def _lines(row: dict[str, Any]) -> list[str]:
    settings = ", ".join(f"{name}={value}" for name, value in row["parameters"].items()) or "none"
    mark = f" (default {row['default']})" if row["default"] else ""
    guarantees = ["keeps the argmax" if row["keeps_argmax"] else "may change the argmax"]
    guarantees += ["a few bits a query at most"] * row["many_to_one"]
    needs = ["--key"] * row["keyed"] + ["--validation"] * row["needs_validation"]
    return [
        f"{row['name']}{mark}: {row['summary']}",
        f"  {'; '.join(guarantees)}; a budget tunes the {row['budget_tunes']}"
        + (f"; needs {' and '.join(needs)}" if needs else ""),
        f"  cost: {row['operators']} graph operators for 10 classes, where the softmax of the same network has "
        f"{2 if row['many_to_one'] else 1}",
        f"  parameters for 10 classes: {settings}",
        f"  broken by: {row['attack']}",
    ]
