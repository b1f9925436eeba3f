"""Running a program in edgeguard's environment on a device, among files that go there and are gone afterwards."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeguard.artifact import file_facts
from edgeguard.fleet.remote_call import call, payload_of
from edgeguard.fleet.transport import OnLine, Transport

__all__ = ["Ran", "run_in_workspace"]


@dataclass(frozen=True, slots=True)
class Ran:
    """How the program ended."""

    code: int
    stdout: str


def run_in_workspace(
    transport: Transport,
    directory: str,
    files: Mapping[str, Path | bytes],
    arguments: Sequence[str],
    *,
    timeout: float,
    on_line: OnLine | None = None,
) -> Ran:
    """Run the environment's Python among files; it ends when this process does.

    :param directory: edgeguard's on the device.
    :param files: name there, of at most one folder and a file, to a file here or its content.
    :param arguments: Python's.
    :param timeout: seconds for all of it.
    :param on_line: called with each line of the program's stderr.
    :raises DeviceError: the device cannot be reached or has no environment, or the connection broke.
    """
    request = {
        "directory": directory,
        "files": [{"path": name, **_facts(content)} for name, content in files.items()],
        "arguments": list(arguments),
    }
    answered = threading.Event()

    def attended() -> Iterator[bytes]:
        yield from payload_of(files.values())
        # The stream's end tells the device that the host is gone.
        answered.wait()

    try:
        answer = call(transport, "workspace", request, payload=attended(), timeout=timeout, on_line=on_line)
    finally:
        answered.set()
    return Ran(answer["code"], answer["stdout"])


def _facts(content: Path | bytes) -> dict[str, str | int]:
    if isinstance(content, bytes):
        return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    facts = file_facts(content)
    return {"size": facts.size, "sha256": facts.sha256}
