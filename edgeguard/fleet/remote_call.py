"""Calling a script of :mod:`edgeguard.fleet.remote` on a device, where nothing but Python need be installed.

The script travels over stdin together with its request, so that nothing of it stays on the device; what comes after
them on stdin is the payload. Its answer is the one JSON object on stdout.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from edgeguard.errors import DeviceError
from edgeguard.fleet.transport import Done, OnLine, Transport

__all__ = ["call", "payload_of", "script_source"]

# Read by whatever Python the device has. Descriptor 1 is kept for the answer alone. The end is abrupt because a script
# may still have a thread that waits for stdin, which Python cannot shut down in an orderly way.
_BOOT = """
import json, os, sys
answer_to = os.dup(1); os.dup2(2, 1)
stdin = sys.stdin.buffer
sizes = [int(n) for n in stdin.readline().split()]
source, request = [stdin.read(n) for n in sizes]
try:
    if len(request) != sizes[1]: raise EOFError("the connection broke")
    scope = {"__name__": "edgeguard_remote"}
    exec(compile(source, "edgeguard-remote", "exec"), scope)
    answer = {"answer": scope["main"](json.loads(request.decode()), stdin)}
except OSError as error:
    what = error.strerror or str(error)
    answer = {"failed": {"kind": "os", "errno": error.errno, "what": what, "where": error.filename}}
except Exception as error:
    kind = type(error).__name__
    fix = error.args[1] if kind == "Refused" and len(error.args) > 1 else None
    what = str(error.args[0]) if kind == "Refused" else kind + ": " + str(error)
    answer = {"failed": {"kind": kind, "what": what, "fix": fix}}
with os.fdopen(answer_to, "w") as stream: stream.write(json.dumps(answer))
sys.stdout.flush(); sys.stderr.flush()
os._exit(0)
"""
_NOT_FOUND = 127
_CHUNK = 1 << 16
_DISK = {
    errno.ENOSPC: ("its disk is full", "Make room there and try again"),
    errno.EDQUOT: ("its disk quota is used up", "Make room there and try again"),
    errno.EROFS: ("its disk is read-only", "A worn SD card does that; see `dmesg` there, and replace it"),
    errno.EACCES: ("it does not let this user write there", "Choose another --directory, or another user"),
    errno.EPERM: ("it does not let this user write there", "Choose another --directory, or another user"),
    errno.EIO: ("its disk fails", "Replace the SD card"),
}


def call(
    transport: Transport,
    script: str,
    request: dict[str, Any],
    *,
    payload: Iterable[bytes] = (),
    timeout: float,
    on_line: OnLine | None = None,
) -> dict[str, Any]:
    """Run ``main(request, payload)`` of a script on the device.

    :param script: name of the module in :mod:`edgeguard.fleet.remote`.
    :param request: JSON data.
    :param payload: bytes that the script reads after it.
    :param timeout: seconds for all of it.
    :param on_line: called with each line that the script writes to stderr.
    :raises DeviceError: the device cannot be reached, has no Python, its disk is full, or the script refused.
    """
    done = transport.run(
        ["python3", "-I", "-c", _BOOT],
        stdin=_stream(script_source(script), json.dumps(request).encode(), payload),
        timeout=timeout,
        on_line=on_line,
    )
    return _understood(done, transport.name)


def payload_of(contents: Iterable[Path | bytes]) -> Iterator[bytes]:
    """Files, by path or by content, one after the other."""
    for content in contents:
        if isinstance(content, bytes):
            yield content
            continue
        with content.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk


def script_source(script: str) -> bytes:
    """The source of a script."""
    return resources.files("edgeguard.fleet.remote").joinpath(f"{script}.py").read_bytes()


def _stream(source: bytes, request: bytes, payload: Iterable[bytes]) -> Iterator[bytes]:
    yield f"{len(source)} {len(request)}\n".encode()
    yield source
    yield request
    yield from payload


def _understood(done: Done, name: str) -> dict[str, Any]:
    if done.code == _NOT_FOUND:
        raise DeviceError("there is no python3 on it", where=name, fix="Install it there: sudo apt install python3")
    try:
        message = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:]
        said = f" ({last[0]})" if last else ""
        raise DeviceError(
            f"it broke off in the middle, exit code {done.code}{said}", where=name, fix="Is it still up? Try again"
        ) from None
    if "answer" in message:
        answer: dict[str, Any] = message["answer"]
        return answer
    raise _failure(message["failed"], name)


def _failure(failed: dict[str, Any], name: str) -> DeviceError:
    if failed["kind"] != "os":
        return DeviceError(failed["what"], where=name, fix=failed.get("fix"))
    what, fix = _DISK.get(failed["errno"], (failed["what"], None))
    place = f" ({failed['where']})" if failed.get("where") else ""
    return DeviceError(f"{what}{place}", where=name, fix=fix)
