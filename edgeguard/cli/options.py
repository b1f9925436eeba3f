"""Options and arguments that several commands share, and ``edgeguard.toml``, which may hold any of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from edgeguard.errors import BadData, UsageError

__all__ = ["CONFIG", "artifact_argument", "force_option", "json_option", "model_argument", "pairs", "threads_option"]

CONFIG = "edgeguard.toml"
# A model may come from anywhere, and the file beside it with it: neither may decide that code is run.
_COMMAND_LINE_ONLY = frozenset({"arch", "trust-pickle"})

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the runtime."
)
force_option = click.option("--force", is_flag=True, help="Replace an output that exists already.")


def _configured(ctx: click.Context, _: click.Parameter, value: Path) -> Path:
    """Let ``[COMMAND]`` of the ``edgeguard.toml`` beside the argument give the options' defaults."""
    path = value.parent / CONFIG
    if path.is_file():
        ctx.default_map = {**(ctx.default_map or {}), **_section(path, ctx)}
    return value


# Eager: the file beside it must be read before any option looks for its default.
_path: Any = click.Path(path_type=Path)
model_argument = click.argument("model", type=_path, is_eager=True, callback=_configured)
artifact_argument = click.argument("artifact", type=_path, is_eager=True, callback=_configured)


def _section(path: Path, ctx: click.Context) -> dict[str, Any]:
    where = str(path)
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadData(f"cannot be read: {error}", where=where) from None
    command, group = ctx.command, ctx.find_root().command
    commands = group.list_commands(ctx) if isinstance(group, click.Group) else [str(command.name)]
    strangers = sorted(set(content) - set(commands))
    if strangers:
        raise UsageError(
            f"edgeguard has no command {strangers[0]!r}", where=where, fix=f"It has: {', '.join(sorted(commands))}"
        )
    section = content.get(str(command.name), {})
    if not isinstance(section, dict):
        raise UsageError(f"{command.name} is no table", where=where, fix=f"Write [{command.name}] above it")
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
            f"{command.name} has no option {unknown[0]!r}", where=where, fix=f"It has: {', '.join(sorted(options))}"
        )
    for name in sorted(_COMMAND_LINE_ONLY & set(section)):
        raise UsageError(
            f"{name} runs code, which a file beside the model cannot ask for",
            where=where,
            fix=f"Say it on the command line: --{name}",
        )
    return {str(options[name].name): _as_typed(options[name], value, name, path) for name, value in section.items()}


def _as_typed(option: click.Option, value: Any, name: str, path: Path) -> Any:
    """A value of the file as the command line would have given it.

    Lists of numbers may stand for ``1,2,3``, a table for several ``NAME=VALUE``; a path begins at the file's own place.

    :raises UsageError: it is of a type that the option cannot mean.
    """
    if option.is_flag:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{name} is {value!r}, not true or false", where=str(path))
    if option.multiple:
        if isinstance(value, dict):
            value = [f"{key}={entry}" for key, entry in value.items()]
        several = value if isinstance(value, list) else [value]
        if all(_is_scalar(entry) for entry in several):
            return [str(entry) for entry in several]
    elif isinstance(value, list) and value and all(_is_scalar(entry) and not isinstance(entry, str) for entry in value):
        return ",".join(map(str, value))
    elif isinstance(option.type, click.Path) and isinstance(value, str):
        return str(path.parent / value)
    elif _is_scalar(value) and not isinstance(option.type, click.Path):
        return str(value)
    raise UsageError(f"{name} cannot be {value!r}", where=str(path), fix="Write it as on the command line, in quotes")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """A callback that reads repeated ``NAME=VALUE``."""
    found = []
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE", param=parameter)
        found.append((key, text))
    return tuple(found)
