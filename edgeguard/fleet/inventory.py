"""A fleet: the devices of a ``fleet.toml``.

::

    [[device]]
    host = "pi@door.local"      # as on the command line
    name = "door"               # the host's name where it is missing
    canary = true               # gets everything first; without any canary, the first device does
    directory = "edgeguard"     # edgeguard's there
    groups = ["doors"]          # for --ansible-inventory
"""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeguard.errors import BadData, UsageError
from edgeguard.fleet.address import Address, parse_address

__all__ = ["Device", "ansible_inventory", "read_fleet"]

# What Ansible takes for names without reading ranges, ports or templates into them.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN_GROUPS = ("all", "ungrouped", "canary")
_TYPES: dict[str, type] = {"host": str, "name": str, "canary": bool, "directory": str, "groups": list}


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a fleet.

    :param name: unique in the fleet; letters, digits, dot, hyphen and underscore.
    :param directory: edgeguard's there.
    :param canary: whether it goes first.
    :param groups: names for Ansible.
    """

    name: str
    address: Address
    directory: str
    canary: bool = False
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that a reader of the inventory would take for something else.

        :raises UsageError: naming it.
        """
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"{self.name!r} is no name for a device", fix='Give it one: name = "door"')
        if not self.directory.isprintable() or self.directory[:1] in ("", "-"):
            raise UsageError(f"{self.directory!r} is no directory", where=self.name)
        for group in self.groups:
            if not _GROUP.fullmatch(group) or group in _OWN_GROUPS:
                raise UsageError(f"{group!r} is no name for a group", where=self.name)


def read_fleet(path: Path, directory: str) -> tuple[Device, ...]:
    """The devices of a ``fleet.toml``.

    :param directory: of those that name none.
    :raises UsageError: there is no such file, or what it says makes no fleet.
    :raises BadData: it is no TOML.
    """
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path))
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadData(f"cannot be read: {error}", where=str(path)) from None
    entries = content.pop("device", [])
    if content or not isinstance(entries, list) or not entries:
        strange = f"{next(iter(content))!r} is not known" if content else "it lists no device"
        raise UsageError(strange, where=str(path), fix='Write [[device]] and host = "pi@door.local" for each device')
    try:
        devices = tuple(_device(entry, directory) for entry in entries)
    except UsageError as error:
        where = str(path) if error.where is None else f"{path}: {error.where}"
        raise UsageError(error.what, where=where, fix=error.fix) from None
    names = [device.name for device in devices]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two devices are called {name!r}", where=str(path), fix="Give each a name of its own")
    return devices


def ansible_inventory(devices: tuple[Device, ...], ssh_config: Path | None) -> dict[str, Any]:
    """The fleet as an inventory that Ansible's ``yaml`` plugin reads (JSON is YAML).

    :param ssh_config: what to reach the devices with instead of the user's own.
    """
    groups: dict[str, dict[str, Any]] = {}
    for device in devices:
        for group in (*device.groups, *(("canary",) if device.canary else ())):
            groups.setdefault(group, {"hosts": {}})["hosts"][device.name] = None
    inventory: dict[str, Any] = {"hosts": {device.name: _variables(device.address) for device in devices}}
    if groups:
        inventory["children"] = groups
    if ssh_config is not None:
        inventory["vars"] = {"ansible_ssh_common_args": shlex.join(["-F", str(ssh_config.absolute())])}
    return {"all": inventory}


def _device(entry: Any, directory: str) -> Device:
    if not isinstance(entry, dict) or "host" not in entry:
        raise UsageError("a device has no host", fix='Write host = "pi@door.local" below [[device]]')
    where = str(entry["host"])
    for key, value in entry.items():
        if key not in _TYPES:
            raise UsageError(f"{key!r} is not known", where=where, fix=f"A device has: {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[key]):
            raise UsageError(f"{key} cannot be {value!r}", where=where)
    address = parse_address(entry["host"])
    return Device(
        name=entry.get("name", address.host),
        address=address,
        directory=entry.get("directory", directory),
        canary=entry.get("canary", False),
        groups=tuple(str(group) for group in entry.get("groups", ())),
    )


def _variables(address: Address) -> dict[str, Any]:
    found: dict[str, Any] = {"ansible_host": address.host}
    if address.user is not None:
        found["ansible_user"] = address.user
    if address.port is not None:
        found["ansible_port"] = address.port
    return found
