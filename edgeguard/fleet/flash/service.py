"""The files on the device that install the bundle at its first boot: a systemd service, its script and its request."""

from __future__ import annotations

import json
from dataclasses import dataclass

from edgeguard.fleet.flash.bundle import Bundle
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.remote_call import script_source

__all__ = ["SERVICE", "DeviceFile", "service_files"]

SERVICE = "edgeguard-first-boot.service"
# Where Raspberry Pi OS mounts its boot partition since Bookworm.
_BOOT = "/boot/firmware"
_SCRIPT = "/usr/local/lib/edgeguard/first_boot.py"
_REQUEST = "/usr/local/lib/edgeguard/first_boot.json"
_DIRECTORY = "edgeguard"
# Unpacking the wheels takes a Pi Zero minutes; nothing that it does takes half an hour.
_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class DeviceFile:
    """A file on the device's own disk, root's and readable by all.

    :param path: absolute.
    """

    path: str
    content: str


def service_files(settings: Settings, bundle: Bundle) -> tuple[DeviceFile, ...]:
    """The service, its script and its request, which names the bundle by digest.

    The script lies beside the digest, not in the bundle: what checks the bundle must not come out of it.
    """
    request = {
        "bundle": f"{_BOOT}/{bundle.path}",
        "sha256": bundle.digest,
        "name": bundle.name,
        "directory": _DIRECTORY,
    }
    return (
        DeviceFile(_SCRIPT, script_source("first_boot").decode()),
        DeviceFile(_REQUEST, json.dumps(request, indent=1) + "\n"),
        DeviceFile(f"/etc/systemd/system/{SERVICE}", _unit(settings.user)),
    )


def _unit(user: str) -> str:
    """The service runs at every boot, as the user, and ends at once where the bundle is installed already."""
    return f"""\
[Unit]
Description=edgeguard: install and verify what the card was flashed with
RequiresMountsFor={_BOOT}

[Service]
Type=oneshot
User={user}
Environment=OPENBLAS_NUM_THREADS=1
ExecStart=/usr/bin/python3 -I {_SCRIPT} {_REQUEST}
TimeoutStartSec={_TIMEOUT_S}

[Install]
WantedBy=multi-user.target
"""
