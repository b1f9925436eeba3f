"""How a command reaches a device: the protocol that :class:`~edgeguard.fleet.ssh.Ssh` and ``Local`` share."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from edgeguard.errors import DeviceError

__all__ = ["Done", "OnLine", "Transport", "run_process"]

OnLine = Callable[[str], None]

_LINES_KEPT = 200


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended.

    :param stderr: its last lines.
    """

    code: int
    stdout: bytes
    stderr: str


class Transport(Protocol):
    """A way to a device."""

    @property
    def name(self) -> str:
        """What to call the device in messages."""

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: OnLine | None = None,
    ) -> Done:
        """Run a command there.

        :param command: a program and its arguments; no shell reads them.
        :param stdin: what it reads, then end of file.
        :param timeout: seconds for all of it.
        :param on_line: called with each line of its stderr, as it comes.
        :raises DeviceError: the device cannot be reached, the connection broke, or the time was up.
        """


def run_process(
    command: Sequence[str],
    *,
    name: str,
    stdin: Iterable[bytes],
    timeout: float,
    on_line: OnLine | None,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
) -> Done:
    """Run a process of this machine: feed it, listen to it, end it in time.

    :param name: of the device, for messages.
    :raises DeviceError: the program cannot be started, or the time was up.
    """
    end = time.monotonic() + timeout
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=directory,
        )
    except OSError as error:
        raise DeviceError(f"cannot start {command[0]}: {error.strerror}", where=name) from None
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    stdout: list[bytes] = []
    lines: list[str] = []
    threads = [
        threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True),
        threading.Thread(target=_collect, args=(process.stdout, stdout), daemon=True),
        threading.Thread(target=_listen, args=(process.stderr, lines, on_line), daemon=True),
    ]
    try:
        for thread in threads:
            thread.start()
        code = process.wait(max(0.0, end - time.monotonic()))
        for thread in threads[1:]:
            # A child that it left behind may hold its stderr open.
            thread.join(2)
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"it did not answer within {timeout:.0f} seconds", where=name, fix="Is it overloaded, or asleep?"
        ) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return Done(code, b"".join(stdout), "\n".join(lines))


def _feed(stream: IO[bytes], chunks: Iterable[bytes]) -> None:
    try:
        for chunk in chunks:
            stream.write(chunk)
            stream.flush()  # the next chunk may be long in coming
        stream.close()
    except OSError:
        pass  # it ended before it had read everything: how it ended says why


def _collect(stream: IO[bytes], chunks: list[bytes]) -> None:
    while chunk := stream.read(1 << 16):
        chunks.append(chunk)


def _listen(stream: IO[bytes], lines: list[str], on_line: OnLine | None) -> None:
    for raw in stream:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        lines.append(line)
        del lines[:-_LINES_KEPT]
        if on_line is not None:
            on_line(line)
