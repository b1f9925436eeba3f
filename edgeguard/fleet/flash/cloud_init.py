"""Settings for cloud-init, as Raspberry Pi OS has it since Trixie: its NoCloud data source reads the boot partition.

The keys are those of the cloud-init reference (users and groups, write files, runcmd) and of its networking config
version 2, which is netplan's. An instance named on the kernel's line goes before the one of ``meta-data``
(DataSourceNoCloud merges the line first), so that line is what switches to the new settings, and is written last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeguard.fleet.flash.bundle import Bundle
from edgeguard.fleet.flash.json_yaml import document
from edgeguard.fleet.flash.kernel_line import instance_of, with_country, with_instance
from edgeguard.fleet.flash.renderer import BootFile
from edgeguard.fleet.flash.service import SERVICE, service_files
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.wheels import DevicePython

__all__ = ["CloudInit"]

# Those of the first user of Raspberry Pi OS, by pi-gen; cloud-init makes the ones that are missing.
_GROUPS = "adm,dialout,cdrom,audio,users,sudo,video,games,plugdev,input,gpio,spi,i2c,netdev,render"
# Debian 13.
_TRIXIE = DevicePython((3, 13), "aarch64", 64, (2, 41))
# The instance of the untouched image.
_UNTOUCHED = "rpios-image"


@dataclass(frozen=True, slots=True)
class CloudInit:
    """The renderer for cloud-init."""

    name: str = "cloud-init"
    python: DevicePython = _TRIXIE
    needs: tuple[str, ...] = ("user-data", "meta-data")
    missing: tuple[str, str] = (
        "its system is not prepared for cloud-init: Bookworm or older",
        "Write Raspberry Pi OS (64-bit), Trixie or later, to the card or take its image",
    )

    def prepared_by(self, kernel_line: bytes) -> str | None:
        """The instance that the kernel's line names, unless it is the untouched image's."""
        instance = instance_of(kernel_line)
        return None if instance == _UNTOUCHED else instance

    def render(self, settings: Settings, bundle: Bundle, *, instance: str, kernel_line: bytes) -> tuple[BootFile, ...]:
        """The bundle, the three files of the data source, and last the kernel's line."""
        line = with_instance(kernel_line, instance)
        if settings.wifi is not None:
            line = with_country(line, settings.wifi.country)
        return (
            BootFile(bundle.path, bundle.data),
            BootFile("network-config", _yaml({"network": _network(settings)})),
            BootFile("user-data", b"#cloud-config\n" + _yaml(_user_data(settings, bundle))),
            # As the image has it, `local`: the settings are taken before any network is up, which may never be.
            BootFile("meta-data", _yaml({"instance-id": instance, "dsmode": "local"})),
            BootFile("cmdline.txt", line),
        )


def _user_data(settings: Settings, bundle: Bundle) -> dict[str, Any]:
    return {
        "hostname": settings.hostname,
        "manage_etc_hosts": True,
        "ssh_pwauth": False,
        "users": [
            {
                "name": settings.user,
                "groups": _GROUPS,
                "shell": "/bin/bash",
                "lock_passwd": True,
                # There is no password to ask for, and somebody must be able to update the system.
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [str(key) for key in settings.keys],
            }
        ],
        "write_files": [
            {"path": file.path, "content": file.content, "owner": "root:root", "permissions": "0644"}
            for file in service_files(settings, bundle)
        ],
        "runcmd": _commands(settings),
    }


def _commands(settings: Settings) -> list[list[str]]:
    radio = [] if settings.wifi is None else [["rfkill", "unblock", "wifi"]]
    return [
        *radio,
        ["systemctl", "enable", "--now", "ssh.service"],
        # It takes minutes on a small board: cloud-init need not wait, and ssh answers meanwhile.
        ["systemctl", "enable", "--now", "--no-block", SERVICE],
    ]


def _network(settings: Settings) -> dict[str, Any]:
    wired = {"ethernets": {"eth0": {"dhcp4": True, "dhcp6": True, "optional": True}}}
    if settings.wifi is None:
        return {"version": 2, **wired}
    radio = {
        "dhcp4": True,
        "optional": True,
        "regulatory-domain": settings.wifi.country,
        "access-points": {settings.wifi.ssid: {"password": settings.wifi.key}},
    }
    return {"version": 2, **wired, "wifis": {"wlan0": radio}}


def _yaml(value: dict[str, Any]) -> bytes:
    return (document(value) + "\n").encode()
