"""``edgeguard targets``: the device profiles there are."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgeguard.cli.console import print_json
from edgeguard.cli.options import json_option
from edgeguard.targets import DEFAULT_TARGET, TARGETS

__all__ = ["targets"]


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
