"""What the emulated device is made of; everything that decides about the image goes into one digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = [
    "APPLETS",
    "DIGEST",
    "DISK_BYTES",
    "FILES",
    "GROUP",
    "HOSTNAME",
    "KERNEL",
    "MODULES",
    "OWNERS",
    "PACKAGES",
    "PASSWD",
    "SUITE",
    "UNWANTED",
    "USER",
    "digest",
]

SUITE = "bookworm"
KERNEL = "linux-image-cloud-arm64"
# The userland of a small Raspberry Pi OS as far as edgeguard meets it: no pip, no numpy, those come with a deploy.
PACKAGES = (
    "base-files",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "libc-bin",
    "libpython3.11-stdlib",
    "libstdc++6",
    "mawk",
    "openssh-server",
    "openssh-sftp-server",
    "procps",
    "python3.11-minimal",
    "sed",
    "tar",
)
# In the order in which they must be loaded.
MODULES = (
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
)
# Commands that busybox provides where no package does.
APPLETS = (
    "hostname",
    "ifconfig",
    "init",
    "less",
    "mount",
    "mountpoint",
    "nc",
    "ping",
    "poweroff",
    "reboot",
    "umount",
    "vi",
)
UNWANTED = (
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/locale",
    "./usr/share/perl*",
    "./usr/lib/aarch64-linux-gnu/gconv",
    "./usr/lib/aarch64-linux-gnu/perl*",
)
DISK_BYTES = 2 << 30
HOSTNAME = "edgeguard-device"
USER = "pi"
OWNERS = {f"/home/{USER}": (1000, 1000)}
PASSWD = f"""\
root:x:0:0:root:/root:/bin/bash
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
{USER}:x:1000:1000::/home/{USER}:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = f"root:x:0:\ntty:x:5:\nvideo:x:44:{USER}\n{USER}:x:1000:\nnogroup:x:65534:\n"
FILES = Path(__file__).parent / "files"

# The modules that decide about the image's content; the rest of the package only starts it.
_BUILDERS = ("archive.py", "cpio.py", "disk.py", "image.py", "recipe.py", "root.py")


def digest(package: Path = Path(__file__).parent) -> str:
    """16 hexadecimal digits that change when the recipe does: packages, modules, scripts and the builder's source."""
    state = hashlib.sha256()
    for path in [*(package / name for name in _BUILDERS), *sorted((package / "files").iterdir())]:
        content = path.read_bytes()
        state.update(f"{path.name} {len(content)}\n".encode() + content)
    return state.hexdigest()[:16]


# Once, when imported: a process builds what it was started with, whatever becomes of the files.
DIGEST = digest()
