"""A system as Raspberry Pi OS Trixie is for whoever flashes it: Debian 13 with systemd, cloud-init and a FAT to read.

It boots QEMU's machine "virt", whose kernel and RAM disk are given from outside: the Pi's firmware cannot be emulated.
What Raspberry Pi OS decides about cloud-init is taken from pi-gen (stage2/04-cloud-init): where the seed lies, that the
image's own seed says nothing, that /boot/firmware is mounted from the label "bootfs".
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from device_tests.emulator import recipe

__all__ = [
    "BOOT_BYTES",
    "BOOT_FILES",
    "DIGEST",
    "FILES",
    "GROUP",
    "MASKED",
    "MODULES",
    "PACKAGES",
    "PASSWD",
    "ROOT_BYTES",
    "SUITE",
    "UNWANTED",
]

SUITE = "trixie"
# Which the machine needs to boot, configure itself, let somebody in and run Python; no pip, as a Lite image has none.
PACKAGES = (
    "base-files",
    "base-passwd",
    "bash",
    "cloud-init",
    "coreutils",
    "dash",
    "dbus",
    "debianutils",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "init-system-helpers",
    "iproute2",
    "kmod",
    "libc-bin",
    "libnss-systemd",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam-runtime",
    "libstdc++6",
    "login",
    "mawk",
    "mount",
    "netbase",
    "netplan.io",
    "openssh-server",
    "openssh-sftp-server",
    "passwd",
    "procps",
    "python3",
    "python3-yaml",
    "sed",
    "sudo",
    "systemd",
    "systemd-sysv",
    "sysvinit-utils",
    "tar",
    "udev",
    "util-linux",
)
# The FAT, and the character sets that it is mounted with.
MODULES = (*recipe.MODULES, "nls_cp437", "nls_ascii", "fat", "vfat")
# Perl stays: enabling ssh.service takes it.
UNWANTED = tuple(pattern for pattern in recipe.UNWANTED if "perl" not in pattern)
BOOT_BYTES = 160 << 20
ROOT_BYTES = 2 << 30

PASSWD = """\
messagebus:x:100:107::/nonexistent:/usr/sbin/nologin
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
"""
GROUP = "messagebus:x:107:\nsystemd-journal:x:108:\nnetdev:x:109:\n"

# The boot partition before it is flashed.
BOOT_FILES = {
    "config.txt": "arm_64bit=1\n",
    "cmdline.txt": "console=serial0,115200 root=PARTUUID=12345678-02 rootfstype=ext4 fsck.repair=yes rootwait\n",
    "user-data": "#cloud-config\n\n#hostname: raspberrypi\n",
    "meta-data": "dsmode: local\ninstance_id: rpios-image\n",
    "network-config": "#network:\n#  version: 2\n",
}

_PAM = "{kind} required pam_unix.so\n"
# Files of the root partition. Units that are masked would only cost time under emulation.
FILES = {
    "etc/hostname": "raspberrypi\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/resolv.conf": "",
    "etc/machine-id": "uninitialized\n",
    "etc/fstab": "LABEL=rootfs / ext4 defaults,noatime 0 0\nLABEL=bootfs /boot/firmware vfat defaults 0 0\n",
    "etc/nsswitch.conf": "passwd: files systemd\ngroup: files systemd\nshadow: files systemd\nhosts: files dns\n",
    **{f"etc/pam.d/common-{kind}": _PAM.format(kind=kind) for kind in ("auth", "account", "password")},
    "etc/pam.d/common-session": "session required pam_unix.so\nsession optional pam_systemd.so\n",
    "etc/pam.d/common-session-noninteractive": "session required pam_unix.so\n",
    "etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg": (
        "datasource_list: [ NoCloud, None ]\ndatasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware/\n"
    ),
    # Raspberry Pi OS makes host keys and grows its disk by services of its own.
    "etc/cloud/cloud.cfg.d/98_emulated.cfg": (
        "locale: C.UTF-8\nresize_rootfs: false\ngrowpart: {mode: 'off'}\nssh_genkeytypes: [ed25519]\n"
    ),
    # As in Raspberry Pi OS, ssh is off until somebody asks for it.
    "etc/systemd/system-preset/00-emulated.preset": (
        "disable ssh.service\ndisable ssh.socket\ndisable systemd-time-wait-sync.service\nenable *\n"
    ),
}
MASKED = (
    "apt-daily.service",
    "apt-daily-upgrade.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "ldconfig.service",
    "proc-sys-fs-binfmt_misc.automount",
    "proc-sys-fs-binfmt_misc.mount",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    # They would wait for the wireless network, which the machine has no radio for; Raspberry Pi OS has NetworkManager.
    "netplan-wpa-wlan0.service",
    "systemd-networkd-wait-online.service",
)

_BUILDERS = ("cloud_image.py", "cloud_recipe.py", "cloud_root.py")


def digest(package: Path = Path(__file__).parent) -> str:
    """16 hexadecimal digits that change when this recipe does, or that of the emulated device, whose parts it uses."""
    state = hashlib.sha256(recipe.DIGEST.encode())
    for name in _BUILDERS:
        state.update((package / name).read_bytes())
    return state.hexdigest()[:16]


DIGEST = digest()
