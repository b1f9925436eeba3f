"""A machine that boots a flashed image as a Pi would: what is on the card decides who it is and who may enter."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_tests.emulator.cloud_image import BOOT_OFFSET, CloudImage
from device_tests.emulator.qemu import BOUND, console_tail, free_port
from device_tests.emulator.tools import find
from edgeguard.errors import DeviceError

__all__ = ["CloudMachine", "boot_cloud_image"]

_MEMORY_MIB = 1536
# Beyond what the firmware would hand over: where to speak, and names of interfaces as the Pi has them.
_OWN_WORDS = "console=ttyAMA0 net.ifnames=0 panic=-1 audit=0"
_SSH_FAILED = 255


@dataclass(frozen=True, slots=True)
class CloudMachine:
    """A running machine.

    :param ssh_config: names its port, the user and the key that it should let in.
    :param console: what it has printed, a file.
    """

    ssh_config: Path
    console: Path
    alias: str = "flashed"

    def ssh(self, command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a shell command there."""
        line = ["ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", self.alias, command]
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)

    def wait_for(self, command: str, seconds: float) -> str:
        """Ask until the command succeeds, as soon as somebody listens; returns what it printed.

        :raises DeviceError: it did not within that time; carries the end of the console.
        """
        end = time.monotonic() + seconds
        said = ""
        while time.monotonic() < end:
            try:
                done = self.ssh(command)
            except subprocess.TimeoutExpired:
                said = "it did not answer"
            else:
                if done.returncode == 0:
                    return done.stdout
                said = done.stderr.strip()[-500:]
            time.sleep(1.0)
        raise DeviceError(f"`{command}` failed for {seconds:g} s: {said}\n{console_tail(self.console, 4000)}")


@contextmanager
def boot_cloud_image(image: CloudImage, disk: Path, directory: Path, user: str, key: Path) -> Iterator[CloudMachine]:
    """Boot a flashed copy of the image; the power is cut when the block ends.

    :param disk: the flashed image, which the machine writes to.
    :param directory: for its console and its SSH files.
    :param user: whom to log in as, with the private ``key``.
    """
    directory.mkdir(exist_ok=True)
    console, port = directory / "console.log", free_port()
    config = directory / "ssh_config"
    config.write_text(_ssh_config(directory, port, user, key))
    with console.open("wb") as stream:
        process = subprocess.Popen(
            [*BOUND, *_arguments(image, disk, port)], stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        yield CloudMachine(config, console)
    finally:
        process.kill()
        process.wait()


def _arguments(image: CloudImage, disk: Path, port: int) -> list[str]:
    """Time is the host's, not counted instructions: two cores in parallel boot systemd in a minute."""
    read = [find("mcopy") or "mcopy", "-i", f"{disk}@@{BOOT_OFFSET}", "::/cmdline.txt", "-"]
    line = subprocess.run(read, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    command = [find("qemu-system-aarch64") or "qemu-system-aarch64", "-nodefaults", "-no-user-config", "-no-reboot"]
    command += ["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-accel", "tcg,thread=multi"]
    command += ["-m", str(_MEMORY_MIB), "-display", "none", "-serial", "stdio"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", f"{line} {_OWN_WORDS}"]
    command += ["-drive", f"file={str(disk).replace(',', ',,')},if=none,id=card,format=raw,cache=unsafe"]
    command += ["-device", "virtio-blk-pci,drive=card", "-device", "virtio-net-pci,netdev=net,romfile="]
    command += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22"]
    command += ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"]
    return command


def _ssh_config(directory: Path, port: int, user: str, key: Path) -> str:
    lines = {
        "HostName": "127.0.0.1",
        "Port": str(port),
        "User": user,
        "IdentityFile": f'"{key}"',
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{directory / "known_hosts"}"',
        "GlobalKnownHostsFile": "none",
        # It makes its host key while it first boots.
        "StrictHostKeyChecking": "accept-new",
        "ConnectTimeout": "8",
    }
    return "Host flashed\n" + "".join(f"    {name} {value}\n" for name, value in lines.items())
