"""The entry point: finds the command, and turns every error into one message and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from edgeguard import __version__
from edgeguard.cli.console import printable
from edgeguard.errors import EdgeguardError

__all__ = ["COMMANDS", "cli", "main"]

# Name of the command to module and attribute. A new one is one file beside this one and one line here.
COMMANDS: dict[str, str] = {
    "accuracy": "edgeguard.cli.accuracy:accuracy",
    "attack": "edgeguard.cli.attack:attack",
    "bench": "edgeguard.cli.bench:bench",
    "compare": "edgeguard.cli.compare:compare",
    "defend": "edgeguard.cli.defend:defend",
    "defenses": "edgeguard.cli.defenses:defenses",
    "demo": "edgeguard.cli.demo:demo",
    "deploy": "edgeguard.cli.deploy:deploy",
    "doctor": "edgeguard.cli.doctor:doctor",
    "evaluate": "edgeguard.cli.evaluate:evaluate",
    "export": "edgeguard.cli.export:export",
    "flash": "edgeguard.cli.flash:flash",
    "inspect": "edgeguard.cli.inspect:inspect",
    "keygen": "edgeguard.cli.keygen:keygen",
    "run": "edgeguard.cli.run:run",
    "targets": "edgeguard.cli.targets:targets",
    "trace": "edgeguard.cli.trace:trace",
    "verify": "edgeguard.cli.verify:verify",
}


class _OnDemand(click.Group):
    """A group whose commands are imported when they are called: onnx and torch take seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Click would turn a reader that went away into exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderGone from None


class _ReaderGone(Exception):
    """What reads our stdout has heard enough (`edgeguard ... | head`)."""


@click.group(cls=_OnDemand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="edgeguard")
def cli() -> None:
    """Export CNNs to the Raspberry Pi as int8 models whose answers are defended against model stealing.

    Exit codes: 0 well, 1 our bug or a regression, 2 usage, 3 rejected input, 4 untrusted artifact, 5 invalid
    measurement, 6 device trouble.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        cli.main(arguments, prog_name="edgeguard", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except EdgeguardError as error:
        click.echo(f"error: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)
    except _ReaderGone:
        # Python would complain again while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("EDGEGUARD_TRACEBACK"):
            raise
        click.echo(
            f"error: edgeguard failed in a way it should not ({type(error).__name__}: {printable(str(error))}). "
            "Set EDGEGUARD_TRACEBACK=1 for the traceback and please report it",
            err=True,
        )
        sys.exit(1)
