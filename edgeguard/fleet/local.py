"""This machine as if it were a device, with a directory of its own for a home."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeguard.fleet.transport import Done, OnLine, run_process

__all__ = ["Local"]


@dataclass(frozen=True, slots=True)
class Local:
    """Runs commands here.

    :param home: what they take for the home directory.
    """

    home: Path

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return "this machine"

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: OnLine | None = None,
    ) -> Done:
        """See :class:`~edgeguard.fleet.transport.Transport`."""
        return run_process(
            command,
            name=self.name,
            stdin=stdin,
            timeout=timeout,
            on_line=on_line,
            environment={**os.environ, "HOME": str(self.home)},
            directory=str(self.home),
        )
