"""A device behind ssh: the system's own client, with the user's configuration, agent and known hosts.

Nothing about trust is decided here. Host keys are checked as the user's configuration says, keys come from the agent,
and a password is asked for by ssh itself, on the terminal. All commands of one :class:`Ssh` share one connection.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from edgeguard.errors import DeviceError, UsageError
from edgeguard.fleet.address import Address
from edgeguard.fleet.transport import Done, OnLine, run_process

__all__ = ["UNATTENDED", "Ssh"]

# What ssh itself exits with when the connection, not the command, is the trouble.
_OWN_ERROR = 255
_PATIENCE = ("ConnectTimeout=15", "ServerAliveInterval=5", "ServerAliveCountMax=3")
# For several devices at once: nobody can answer five prompts.
UNATTENDED = ("BatchMode=yes",)

# What ssh says, what that means, and what to do; the first that fits.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that is known",
        "If it was set up anew, forget the old key with `ssh-keygen -R HOST`; if not, somebody may be in between",
    ),
    (
        r"Host key verification failed|No .* host key is known",
        "its host key is unknown",
        "Connect once by hand with ssh, compare the fingerprint, and accept the key",
    ),
    (
        r"Permission denied|Too many authentication failures|no matching .*auth",
        "it lets nobody in with these keys",
        "Put your public key there with `ssh-copy-id`, or name the user: user@host",
    ),
    (r"Could not resolve hostname", "its name is unknown", "Check the name, or use the IP address"),
    (r"Connection refused", "nothing listens there", "Is ssh switched on, and is this the port?"),
    (
        r"timed out|not responding|No route to host|Network is unreachable|Host is down",
        "it does not answer",
        "Is it switched on, and in this network?",
    ),
    (r"Bad configuration option|[Cc]an't open user config file", "the ssh configuration is wrong", "See what ssh says"),
)


class Ssh:
    """A device at an address, as a context manager: leaving it closes the connection.

    :param address: where.
    :param config: an ssh configuration instead of the user's (``ssh -F``).
    :param options: further ``-o`` options, such as :data:`UNATTENDED`.
    :raises UsageError: there is no ssh client here, or no such configuration.
    """

    def __init__(self, address: Address, config: Path | None = None, options: Sequence[str] = ()) -> None:
        if shutil.which("ssh") is None:
            raise UsageError(
                "there is no ssh client on this machine", fix="Install OpenSSH; on Debian: apt install openssh-client"
            )
        if config is not None and not config.is_file():
            raise UsageError("there is no such ssh configuration", where=str(config))
        self._address = address
        # Short, for a socket's path has about a hundred characters at most; and only ours to read.
        self._private = tempfile.TemporaryDirectory(prefix="eg-ssh-")
        shared = (*_PATIENCE, "ControlMaster=auto", "ControlPersist=60", f"ControlPath={self._private.name}/%C")
        own = () if config is None else ("-F", str(config))
        self._client = ("ssh", "-T", *own, *_each((*options, *shared)))

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return str(self._address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the shared connection."""
        command = [*self._client, "-O", "exit", *self._destination()]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
        self._private.cleanup()

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: OnLine | None = None,
    ) -> Done:
        """See :class:`~edgeguard.fleet.transport.Transport`."""
        done = run_process(
            [*self._client, *self._destination(), "--", shlex.join(command)],
            name=self.name,
            stdin=stdin,
            timeout=timeout,
            on_line=on_line,
        )
        if done.code == _OWN_ERROR:
            raise _explained(done.stderr, self.name)
        return done

    def _destination(self) -> list[str]:
        address = self._address
        port = () if address.port is None else ("-p", str(address.port))
        user = () if address.user is None else ("-l", address.user)
        return [*port, *user, address.host]


def _each(options: Sequence[str]) -> list[str]:
    return [part for option in options for part in ("-o", option)]


def _explained(stderr: str, name: str) -> DeviceError:
    """What ssh meant. Its last line is kept where it is none of the usual causes."""
    for pattern, what, fix in _CAUSES:
        if re.search(pattern, stderr):
            return DeviceError(what, where=name, fix=fix.replace("HOST", name.rpartition("@")[2]))
    lines = stderr.strip().splitlines()
    said = f" ({lines[-1].strip()})" if lines else ""
    return DeviceError(f"the connection broke{said}", where=name, fix="Check the network and try again")
