"""The device's root directory and its initial RAM disk, from unpacked packages and a few files of our own."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from device_tests.emulator import cpio, recipe
from device_tests.emulator.tools import find
from edgeguard.errors import DeviceError

__all__ = ["assemble", "unpack", "unpack_kernel", "write_initrd"]

# Debian's layout: these are links since /usr was merged.
_MERGED = ("bin", "sbin", "lib")
_FOLDERS = (
    ("dev", 0o755), ("proc", 0o555), ("sys", 0o555), ("run", 0o755), ("tmp", 0o1777), ("var/empty", 0o755),
    ("root/.ssh", 0o700), (f"home/{recipe.USER}", 0o755), (f"home/{recipe.USER}/.ssh", 0o700),
)  # fmt: skip


def assemble(root: Path, packages: Iterable[Path], host_key: Path, authorized: str) -> None:
    """Fill the empty directory ``root`` with everything that the device's disk holds.

    :param host_key: the private key that sshd answers with; its public half lies beside it.
    :param authorized: the public key that opens ``pi`` and ``root``.
    """
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        unpack(package, root)
    for folder, mode in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(mode)
    _link_commands(root)
    _configure(root, host_key, authorized)
    _make_readable(root)
    _compile(root)


def unpack(package: Path, root: Path, unwanted: Collection[str] = recipe.UNWANTED) -> None:
    """Unpack one package into ``root``.

    :param unwanted: patterns of what to leave out.
    :raises DeviceError: it is damaged.
    """
    dpkg = [find("dpkg-deb") or "dpkg-deb", "--fsys-tarfile", str(package)]
    excluded = [f"--exclude={pattern}" for pattern in unwanted]
    tar = ["tar", "--extract", "--no-same-owner", "--keep-directory-symlink", f"--directory={root}", *excluded]
    with subprocess.Popen(dpkg, stdout=subprocess.PIPE) as source:
        done = subprocess.run(tar, stdin=source.stdout, capture_output=True, text=True, check=False)
    if source.returncode != 0 or done.returncode != 0:
        raise DeviceError(f"cannot unpack it: {done.stderr.strip()}", where=str(package), fix="Delete it")


def _link_commands(root: Path) -> None:
    for name, target in {"python3": "python3.11", "sh": "dash", "awk": "mawk"}.items():
        link = root / "usr/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    for applet in recipe.APPLETS:
        folder = "sbin" if applet == "init" else "bin"
        link = root / "usr" / folder / applet
        if not os.path.lexists(link):
            link.symlink_to("/usr/bin/busybox")


def _configure(root: Path, host_key: Path, authorized: str) -> None:
    etc = root / "etc"
    texts = {
        "passwd": recipe.PASSWD,
        "group": recipe.GROUP,
        # No password opens an account, yet none is locked: sshd would refuse a locked one its key.
        "shadow": "".join(f"{line.split(':')[0]}:*:19000::::::\n" for line in recipe.PASSWD.splitlines()),
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "hostname": f"{recipe.HOSTNAME}\n",
        "hosts": f"127.0.0.1 localhost {recipe.HOSTNAME}\n",
        "inittab": (recipe.FILES / "inittab").read_text(),
        "rc": (recipe.FILES / "rc").read_text(),
        "ssh/sshd_config": (recipe.FILES / "sshd_config").read_text(),
    }
    for name, text in texts.items():
        (etc / name).parent.mkdir(exist_ok=True)
        (etc / name).write_text(text)
    (etc / "rc").chmod(0o755)
    (etc / "shadow").chmod(0o600)
    for key in (host_key, host_key.with_suffix(".pub")):
        shutil.copy2(key, etc / "ssh" / key.name)
    (etc / "ssh" / host_key.name).chmod(0o600)
    for home in ("root", f"home/{recipe.USER}"):
        keys = root / home / ".ssh/authorized_keys"
        keys.write_text(authorized)
        keys.chmod(0o600)


def _make_readable(root: Path) -> None:
    """A builder who is not root must be able to read what goes onto the disk; setuid programs are of no use there."""
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            path.chmod((stat.S_IMODE(mode) | stat.S_IRUSR) & ~(stat.S_ISUID | stat.S_ISGID))


def _compile(root: Path) -> None:
    """Do what Debian's packages do after unpacking: without it every start of Python compiles what it imports.

    Bytecode belongs to a version of Python. Where this machine has no 3.11 the device works, but starts slowly.
    """
    python = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if python is None:
        return
    library = root / "usr/lib/python3.11"
    command = [python, "-m", "compileall", "-qq", "-j2", "-s", str(root), "-p", "/", str(library)]
    # A few files of the library are meant not to compile: the exit status says nothing.
    subprocess.run(command, capture_output=True, check=False)


def unpack_kernel(package: Path, modules: Collection[str] = recipe.MODULES) -> dict[str, bytes]:
    """The kernel (under ``vmlinuz``) and ``modules`` (under their names) from a kernel's package.

    :raises DeviceError: the package lacks one of them.
    """
    found = dict(_kernel_files(package, modules))
    missing = {"vmlinuz", *modules} - set(found)
    if missing:
        raise DeviceError(f"the kernel's package has no {', '.join(sorted(missing))}", where=str(package))
    return found


def _kernel_files(package: Path, modules: Collection[str]) -> Iterator[tuple[str, bytes]]:
    dpkg = [find("dpkg-deb") or "dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(dpkg, stdout=subprocess.PIPE) as source,
        tarfile.open(fileobj=source.stdout, mode="r|") as archive,
    ):
        for member in archive:
            file = Path(member.name)
            name = "vmlinuz" if file.name.startswith("vmlinuz-") else file.stem
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None and (name == "vmlinuz" or (name in modules and file.suffix == ".ko")):
                yield name, content.read()


def write_initrd(path: Path, busybox: Path, kernel: dict[str, bytes]) -> None:
    """Write the initial RAM disk: busybox, the modules in their order, and our ``init``."""
    entries = [cpio.directory(name) for name in ("bin", "dev", "modules", "new")]
    entries += [cpio.device("dev/console", 5, 1), cpio.executable("bin/busybox", busybox.read_bytes())]
    entries += [cpio.executable(f"modules/{name}.ko", kernel[name]) for name in recipe.MODULES]
    order = "".join(f"{name}\n" for name in recipe.MODULES)
    entries += [
        cpio.executable("modules/order", order.encode()),
        cpio.executable("init", (recipe.FILES / "init").read_bytes()),
    ]
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as stream:
        cpio.write_cpio(stream, entries)
