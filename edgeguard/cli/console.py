"""Speaking to a person: steps, warnings and progress on stderr, results on stdout."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any, Self

import click

__all__ = ["Console", "print_json", "printable"]


class Console:
    """Tells what happens, as a context manager; a progress bar only where stderr is a terminal.

    Satisfies :class:`edgeguard.export.request.Reporter`.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop()

    def step(self, text: str) -> None:
        """A stage begins."""
        self._stop()
        click.echo(printable(text), err=True)

    def warn(self, text: str) -> None:
        """Something the owner must know."""
        self._stop()
        click.secho(f"warning: {text}", err=True, fg="yellow")

    def progress(self, done: int, total: int) -> None:
        """Within a stage."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console as RichConsole
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("  {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(),
                TimeRemainingColumn(),
                console=RichConsole(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)
        if done >= total:
            self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def print_json(value: Any) -> None:
    """A result for programs, on stdout."""
    click.echo(json.dumps(value, indent=2))


def printable(text: str) -> str:
    """Text without control characters: names come from files that others made, and go to a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
