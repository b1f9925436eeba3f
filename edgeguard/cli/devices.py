"""What the commands that speak to a device have in common: naming it, and how to reach it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgeguard.fleet.ssh import Ssh

__all__ = ["DEFAULT_DIRECTORY", "connect", "directory_option", "host_argument", "ssh_config_option"]

DEFAULT_DIRECTORY = "edgeguard"

_path: Any = click.Path(path_type=Path)

host_argument = click.argument("host", metavar="[USER@]HOST[:PORT]")
ssh_config_option = click.option("--ssh-config", type=_path, help="An ssh configuration instead of your own (ssh -F).")
directory_option = click.option(
    "--directory",
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="Where edgeguard's things lie on the device, below the user's home unless absolute.",
)


def connect(host: str, config: Path | None) -> Ssh:
    """A way to a device, which closes its connection as a context manager.

    :param host: as the user wrote it.
    :param config: an ssh configuration instead of the user's own.
    :raises UsageError: this is no host, there is no ssh client, or no such configuration.
    """
    from edgeguard.fleet.address import parse_address
    from edgeguard.fleet.ssh import Ssh

    return Ssh(parse_address(host), config)
