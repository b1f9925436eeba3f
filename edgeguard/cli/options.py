"""Options and arguments that several commands share, and ``edgeguard.toml``, which may hold any of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from edgeguard.errors import BadData, UsageError

__all__ = ["CONFIG", "artifact_argument", "force_option", "json_option", "model_argument"]

CONFIG = "edgeguard.toml"

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
force_option = click.option("--force", is_flag=True, help="Replace an output that exists already.")


def _configured(ctx: click.Context, _: click.Parameter, value: Path) -> Path:
    """Let ``[COMMAND]`` of the ``edgeguard.toml`` beside the argument give the options' defaults."""
    path = value.parent / CONFIG
    if path.is_file():
        ctx.default_map = {**(ctx.default_map or {}), **_section(path, ctx.command)}
    return value


# Eager: the file beside it must be read before any option looks for its default.
_path: Any = click.Path(path_type=Path)
model_argument = click.argument("model", type=_path, is_eager=True, callback=_configured)
artifact_argument = click.argument("artifact", type=_path, is_eager=True, callback=_configured)


def _section(path: Path, command: click.Command) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadData(f"cannot be read: {error}", where=str(path)) from None
    section = content.get(str(command.name), {})
    if not isinstance(section, dict):
        raise UsageError(f"{command.name} is no table", where=str(path), fix=f"Write [{command.name}] above it")
    options = {
        flag.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }
    unknown = sorted(set(section) - set(options))
    if unknown:
        raise UsageError(
            f"{command.name} has no option {unknown[0]!r}", where=str(path), fix=f"It has: {', '.join(sorted(options))}"
        )
    return {str(options[name].name): value for name, value in section.items()}
