"""The root partition and the initial RAM disk of the system that cards are flashed for."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from device_tests.emulator import cloud_recipe, cpio
from device_tests.emulator.root import unpack

__all__ = ["assemble", "write_initrd"]

_MERGED = ("bin", "sbin", "lib")
_FOLDERS = ("dev", "proc", "sys", "run", "tmp", "root", "home", "boot/firmware", "var/log", "etc/systemd/network")
# Debian's own are made by scripts that run on the device.
_LINKS = {"usr/bin/sh": "dash", "usr/bin/awk": "mawk", "usr/bin/nc": "nc.openbsd"}
_INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do
    /bin/busybox insmod "/modules/$module.ko" || echo "EDGEGUARD-FAILED cannot load $module"
done < /modules/order
tries=0
while [ ! -b /dev/vda2 ] && [ "$tries" -lt 100 ]; do
    /bin/busybox sleep 0.1
    tries=$((tries + 1))
done
/bin/busybox mount -t ext4 -o noatime /dev/vda2 /new || {
    echo "EDGEGUARD-FAILED cannot mount the root partition"
    exec /bin/busybox poweroff -f
}
/bin/busybox mount --move /dev /new/dev
exec /bin/busybox switch_root /new /sbin/init
"""


def assemble(root: Path, packages: Iterable[Path]) -> None:
    """Fill the empty directory ``root``: packages unpacked, and by hand the little of their scripts that a boot needs.

    :raises DeviceError: a package is damaged.
    """
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        unpack(package, root, cloud_recipe.UNWANTED)
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, target in _LINKS.items():
        if not os.path.lexists(root / name):
            (root / name).symlink_to(target)
    _accounts(root)
    for name, text in cloud_recipe.FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/ssh/sshd_config").write_bytes((root / "usr/share/openssh/sshd_config").read_bytes())
    # cloud-init stops where there are none, though it asks nobody.
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    (root / "etc/ssl/certs/ca-certificates.crt").write_bytes(b"".join(path.read_bytes() for path in authorities))
    for unit in cloud_recipe.MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    _make_readable(root)


def _accounts(root: Path) -> None:
    masters = root / "usr/share/base-passwd"
    passwd = (masters / "passwd.master").read_text() + cloud_recipe.PASSWD
    group = (masters / "group.master").read_text() + cloud_recipe.GROUP
    names = {
        "passwd": passwd,
        "group": group,
        "shadow": "".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in passwd.splitlines()),
        "gshadow": "".join(f"{line.split(':')[0]}:*::\n" for line in group.splitlines()),
    }
    for name, text in names.items():
        (root / "etc" / name).write_text(text)
    for name in ("shadow", "gshadow"):
        (root / "etc" / name).chmod(0o640)


def _make_readable(root: Path) -> None:
    """A builder who is not root must be able to read what goes onto the disk; sudo stays what it is."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and not os.access(path, os.R_OK):
            path.chmod(path.stat().st_mode | 0o400)
    (root / "usr/bin/sudo").chmod(0o4755)


def write_initrd(path: Path, busybox: bytes, kernel: Mapping[str, bytes]) -> None:
    """Write the initial RAM disk: it loads the modules and hands over to the second partition."""
    entries = [cpio.directory(name) for name in ("bin", "dev", "modules", "new")]
    entries += [cpio.device("dev/console", 5, 1), cpio.executable("bin/busybox", busybox)]
    entries += [cpio.executable(f"modules/{name}.ko", kernel[name]) for name in cloud_recipe.MODULES]
    order = "".join(f"{name}\n" for name in cloud_recipe.MODULES)
    entries += [cpio.executable("modules/order", order.encode()), cpio.executable("init", _INIT.encode())]
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as stream:
        cpio.write_cpio(stream, entries)
