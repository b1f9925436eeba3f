"""The options that choose a defense and what it may cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edgeguard.cli.console import Console
from edgeguard.cli.options import pairs
from edgeguard.defenses.gate import SCORES
from edgeguard.defenses.registry import DEFAULT_WITH_VALIDATION, DEFAULT_WITHOUT_VALIDATION, DEFENSES

__all__ = ["DEFAULT", "defense_options", "explain_default"]

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT = f"{DEFAULT_WITH_VALIDATION} with --validation, else {DEFAULT_WITHOUT_VALIDATION}"


def explain_default(named: str | None, validation: Path | None, console: Console) -> None:
    """Say what a defense that nobody named leaves out, once the artifact is there."""
    if named is None and validation is None:
        console.step(
            f"answers are labels: {DEFAULT_WITHOUT_VALIDATION} is the default without --validation; with it "
            f"{DEFAULT_WITH_VALIDATION} would give calibrated confidences too"
        )


def defense_options(function: F) -> F:
    """Which defense, where it runs, its gate, budget and key."""
    path: Any = click.Path(path_type=Path)
    for option in reversed(
        (
            click.option(
                "--defense",
                type=click.Choice(list(DEFENSES)),
                help=f"Which defense; default: {DEFAULT}. See: edgeguard defenses.",
            ),
            click.option(
                "--defense-param", multiple=True, metavar="NAME=VALUE", callback=pairs, help="A defense's parameter."
            ),
            click.option(
                "--placement",
                type=click.Choice(["graph", "host"]),
                default="graph",
                help="Defend in the file, or after it.",
            ),
            click.option(
                "--budget",
                type=float,
                metavar="PP",
                help="Percentage points of benign accuracy that may be lost; 0 keeps every argmax. Needs --validation.",
            ),
            click.option(
                "--gate",
                type=click.Choice(["none", *SCORES]),
                help="By which score queries get a wrong class; default: max-logit, if a budget can only buy a gate.",
            ),
            click.option("--key", type=path, help="The owner's key; see: edgeguard keygen."),
            click.option(
                "--queries",
                type=path,
                help="Images such as a thief may ask: gated answers are made to look like theirs.",
            ),
        )
    ):
        function = option(function)
    return function
