"""How an emulated device is reached: the files that OpenSSH's client needs, and a shorthand to run one command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from device_tests.emulator.recipe import USER
from edgeguard.errors import DeviceError

__all__ = ["ALIAS", "Connection", "ssh_config", "write_keys", "write_ssh_config"]

# The host alias in every ssh_config written here.
ALIAS = "edgeguard-device"
_KEY = "id_ed25519"
_KNOWN_HOSTS = "known_hosts"
_SSH_FAILED = 255


@dataclass(frozen=True, slots=True)
class Connection:
    """An address that ``ssh -F ssh_config edgeguard-device`` reaches.

    :param ssh_config: names port, key and known hosts; the user's own configuration plays no part.
    :param port: of sshd, forwarded to 127.0.0.1.
    """

    ssh_config: Path
    port: int
    alias: str = ALIAS

    def ssh(self, command: str, *, user: str = USER, data: bytes = b"", timeout: float = 60.0) -> str:
        """Run a shell command there and return what it printed.

        :param data: its standard input.
        :param timeout: in seconds.
        :raises DeviceError: it failed or took too long; carries the end of its standard error.
        """
        line = ["ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", "-l", user, self.alias, command]
        try:
            done = subprocess.run(line, input=data, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(f"no answer to `{command}` in {timeout:g} s", where=self.alias) from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-2000:]
            cause = "ssh failed" if done.returncode == _SSH_FAILED else f"`{command}` ended with {done.returncode}"
            raise DeviceError(f"{cause}: {said}", where=self.alias)
        return done.stdout.decode(errors="replace")


def write_keys(directory: Path, key: Path, host_key: str) -> None:
    """Put a copy of the private ``key`` and the device's public ``host_key`` into ``directory``."""
    own_key = directory / _KEY
    own_key.unlink(missing_ok=True)
    own_key.touch(0o600)
    own_key.write_bytes(key.read_bytes())
    # The port changes from boot to boot; the alias does not.
    (directory / _KNOWN_HOSTS).write_text(f"{ALIAS} {host_key}\n")


def write_ssh_config(directory: Path, port: int) -> Connection:
    """Write ``ssh_config`` beside what :func:`write_keys` has put into ``directory``."""
    config = directory / "ssh_config"
    config.write_text(ssh_config(directory / _KEY, directory / _KNOWN_HOSTS, port))
    return Connection(config, port)


def ssh_config(key: Path, known_hosts: Path, port: int) -> str:
    """The text of an ``ssh_config`` with one host, :data:`ALIAS`."""
    lines = {
        "HostName": "127.0.0.1",
        "Port": str(port),
        "User": USER,
        "IdentityFile": f'"{key}"',
        "IdentitiesOnly": "yes",
        "HostKeyAlias": ALIAS,
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
    }
    return f"Host {ALIAS}\n" + "".join(f"    {name} {value}\n" for name, value in lines.items())
