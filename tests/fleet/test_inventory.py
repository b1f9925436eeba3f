"""``fleet.toml``, and what Ansible is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeguard.errors import BadData, UsageError
from edgeguard.fleet.address import Address
from edgeguard.fleet.inventory import Device, ansible_inventory, read_fleet

FLEET = """
[[device]]
host = "pi@door.local:2222"
name = "door"
canary = true
directory = "/srv/edgeguard"
groups = ["doors", "outside"]

[[device]]
host = "192.0.2.9"
groups = ["outside"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.toml"


def test_a_fleet_is_read(path: Path) -> None:
    path.write_text(FLEET)
    assert read_fleet(path, "edgeguard") == (
        Device("door", Address("pi", "door.local", 2222), "/srv/edgeguard", True, ("doors", "outside")),
        Device("192.0.2.9", Address(None, "192.0.2.9", None), "edgeguard", False, ("outside",)),
    )


def test_ansible_gets_hosts_and_groups(path: Path) -> None:
    path.write_text(FLEET)
    assert ansible_inventory(read_fleet(path, "edgeguard"), Path("/home/a user/config")) == {
        "all": {
            "hosts": {
                "door": {"ansible_host": "door.local", "ansible_user": "pi", "ansible_port": 2222},
                "192.0.2.9": {"ansible_host": "192.0.2.9"},
            },
            "children": {
                "doors": {"hosts": {"door": None}},
                "outside": {"hosts": {"door": None, "192.0.2.9": None}},
                "canary": {"hosts": {"door": None}},
            },
            "vars": {"ansible_ssh_common_args": "-F '/home/a user/config'"},
        }
    }


def test_a_fleet_without_groups_is_only_hosts(path: Path) -> None:
    path.write_text('[[device]]\nhost = "a"\n')
    assert ansible_inventory(read_fleet(path, "edgeguard"), None) == {"all": {"hosts": {"a": {"ansible_host": "a"}}}}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "lists no device"),
        ("device = 3", "lists no device"),
        ("device = [3]", "has no host"),
        ("[[devices]]\nhost = 'a'", "'devices' is not known"),
        ("[[device]]\nname = 'a'", "has no host"),
        ("[[device]]\nhost = 3", "host cannot be 3"),
        ("[[device]]\nhost = 'a'\ncanary = 'yes'", "canary cannot be 'yes'"),
        ("[[device]]\nhost = 'a'\nport = 22", "'port' is not known"),
        ("[[device]]\nhost = '-oProxyCommand=x'", "is no host name"),
        ("[[device]]\nhost = 'fe80::1'", "is no name for a device"),
        ("[[device]]\nhost = 'a'\nname = 'web[1:50]'", "is no name for a device"),
        ("[[device]]\nhost = 'a'\nname = '{{ x }}'", "is no name for a device"),
        ("[[device]]\nhost = 'a'\ngroups = ['all']", "'all' is no name for a group"),
        ("[[device]]\nhost = 'a'\ngroups = ['a-b']", "'a-b' is no name for a group"),
        ("[[device]]\nhost = 'a'\ndirectory = ''", "is no directory"),
        ("[[device]]\nhost = 'a'\ndirectory = '-x'", "is no directory"),
        ("[[device]]\nhost = 'a'\n[[device]]\nhost = 'b'\nname = 'a'", "two devices are called 'a'"),
    ],
)
def test_what_is_no_fleet_is_refused_by_name(path: Path, text: str, cause: str) -> None:
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(cause)) as it:
        read_fleet(path, "edgeguard")
    assert str(path) in str(it.value.where)


def test_a_file_that_is_no_toml(path: Path) -> None:
    path.write_text("[[device]")
    with pytest.raises(BadData, match="cannot be read"):
        read_fleet(path, "edgeguard")
    with pytest.raises(UsageError, match="no such file"):
        read_fleet(path.with_name("none.toml"), "edgeguard")
