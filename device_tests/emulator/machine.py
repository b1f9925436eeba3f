"""An emulated device that belongs to this process: own disk, own port, power that can be cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from device_tests.emulator.connection import Connection, write_keys, write_ssh_config
from device_tests.emulator.image import Image
from device_tests.emulator.qemu import BOUND, DEFAULT, Hardware, boot, console_tail
from device_tests.emulator.recipe import USER
from edgeguard.errors import DeviceError

__all__ = ["Machine", "prepare", "start"]

_PREFIX = "machine-"


class Machine:
    """A running device, or one whose power is off; made by :func:`start`.

    :param directory: filled by :func:`prepare`: its disk, console and SSH files; removed by :meth:`stop`.
    """

    def __init__(self, directory: Path, hardware: Hardware) -> None:
        self.directory = directory
        self.hardware = hardware
        self._process, port = boot(directory, hardware, BOUND)
        self._connection = write_ssh_config(directory, port)

    @property
    def connection(self) -> Connection:
        """How it is reached; a new port after :meth:`power_on` is possible, though the old one is tried first."""
        return self._connection

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F`` and ``--ssh-config``: one host, :attr:`alias`."""
        return self._connection.ssh_config

    @property
    def alias(self) -> str:
        """The host's name in :attr:`ssh_config`."""
        return self._connection.alias

    @property
    def port(self) -> int:
        """Of sshd, on 127.0.0.1."""
        return self._connection.port

    @property
    def core(self) -> str:
        """The emulated core."""
        return self.hardware.core

    @property
    def pid(self) -> int:
        """The emulator's process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the power is on."""
        return self._process.poll() is None

    def ssh(self, command: str, *, user: str = USER, data: bytes = b"", timeout: float = 60.0) -> str:
        """Run a shell command on it: see :meth:`Connection.ssh`."""
        return self._connection.ssh(command, user=user, data=data, timeout=timeout)

    def console(self) -> str:
        """The end of what its console has shown since the power went on."""
        return console_tail(self.directory / "console.log")

    def power_off(self) -> None:
        """Cut the power: what the guest had not written to its disk is lost, what it had is kept."""
        self._process.kill()
        self._process.wait()

    def power_on(self) -> None:
        """Boot from the disk as it is.

        :raises DeviceError: the power is on, or the machine does not come up; carries the end of its console.
        """
        if self.running:
            raise DeviceError("the power is on already", where=self.alias)
        self._process, port = boot(self.directory, self.hardware, BOUND, self.port)
        self._connection = write_ssh_config(self.directory, port)

    def stop(self) -> None:
        """End it and remove its directory; may be called twice."""
        self.power_off()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start(
    image: Image,
    core: str = DEFAULT.core,
    memory_mib: int = DEFAULT.memory_mib,
    icount: bool = DEFAULT.icount,
) -> Machine:
    """Boot a machine of its own from a copy of the image's disk.

    It is killed when the thread that starts it ends, so start it from a thread that outlives its use.

    :param core: see :class:`~device_tests.emulator.qemu.Hardware`, as for the others.
    :raises UsageError: there is no such core, or too little memory.
    :raises DeviceError: it does not come up; carries the end of its console.
    """
    hardware = Hardware(core, memory_mib, icount)
    machines = image.directory.parent.parent / "machines"
    machines.mkdir(exist_ok=True)
    _drop_orphans(machines)
    directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=machines))
    try:
        prepare(image, directory)
        return Machine(directory, hardware)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def prepare(image: Image, directory: Path) -> None:
    """Give ``directory`` all that a machine boots from, so that it outlives a newer image."""
    sparse = ["cp", "--sparse=always", "--reflink=auto"]
    for source, name in ((image.disk, "disk.ext4"), (image.kernel, "vmlinuz"), (image.initrd, "initrd.gz")):
        subprocess.run([*sparse, str(source), str(directory / name)], check=True)
    write_keys(directory, image.key, image.host_key)


def _drop_orphans(machines: Path) -> None:
    """Remove what processes left that were killed before they could stop their machines."""
    for directory in machines.glob(f"{_PREFIX}*-*"):
        owner = int(directory.name.split("-")[1])
        if not Path(f"/proc/{owner}").exists():
            shutil.rmtree(directory, ignore_errors=True)
