"""``edgeguard keygen``: the owner's key."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.console import print_json, printable
from edgeguard.cli.options import json_option

__all__ = ["keygen"]

_ADVICE = """\
Keep the file secret, and keep a copy: it cannot be made again, and without it no clone can be traced.
Use one key per model, on all devices and in all formats: answers under several keys can be compared and averaged.
Publish the commitment, dated, before the model goes out: it shows later that the key is older than a suspect, and
tells nothing else about it."""


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--commitment", "only_show", is_flag=True, help="Make nothing: show the commitment of the key in PATH.")
@json_option
def keygen(path: Path, only_show: bool, as_json: bool) -> None:
    """Make a key for keyed defenses and write it to PATH, readable by its owner only. A key is never replaced."""
    from edgeguard.keys import MasterKey, read_key, write_key

    key = read_key(path) if only_show else MasterKey.generate()
    # Before anything is written: without the package for it, the key could not be used here either.
    commitment = key.commitment
    if not only_show:
        write_key(path, key)
    if as_json:
        print_json({"key": str(path), "commitment": commitment})
        return
    if not only_show:
        click.echo(f"wrote {printable(str(path))}")
    click.echo(f"commitment {commitment}")
    if not only_show:
        click.echo(_ADVICE)
