"""``edgeguard defenses`` and ``edgeguard targets``: what there is."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgeguard.cli.console import print_json
from edgeguard.cli.options import json_option
from edgeguard.defenses.registry import DEFAULT_DEFENSE, DEFENSES, parameters
from edgeguard.targets import DEFAULT_TARGET, TARGETS

__all__ = ["defenses", "targets"]


@click.command()
@json_option
def defenses(as_json: bool) -> None:
    """List the defenses and their parameters."""
    rows = [
        {
            "name": kind.name,
            "version": kind.version,
            "summary": kind.summary,
            "keeps_argmax": kind.keeps_argmax,
            "default": kind.name == DEFAULT_DEFENSE,
            "parameters": parameters(kind.for_classes(10)),
        }
        for kind in DEFENSES.values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']}{' (default)' if row['default'] else ''}: {row['summary']}")
        settings = ", ".join(f"{name}={value:g}" for name, value in row["parameters"].items()) or "none"  # type: ignore[attr-defined]
        promise = "keeps the argmax" if row["keeps_argmax"] else "may change the argmax"
        click.echo(f"  {promise}; parameters for 10 classes: {settings}")


@click.command()
@json_option
def targets(as_json: bool) -> None:
    """List the device profiles."""
    if as_json:
        print_json([asdict(target) for target in TARGETS.values()])
        return
    for target in TARGETS.values():
        mark = " (default)" if target.name == DEFAULT_TARGET else ""
        reduced = ", 7-bit weights" if target.reduce_range else ""
        click.echo(f"{target.name}{mark}: {target.description}")
        click.echo(
            f"  activations {target.activation_type}, weights {target.weight_type}{reduced}, opset {target.opset}, "
            f"IR {target.ir_version}, onnxruntime >= {target.min_onnxruntime}"
        )
