"""cloud-init's own schema, of the version that Trixie has, on what is rendered for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from device_tests.emulator import archive, cloud_recipe, recipe
from device_tests.emulator.image import DIRECTORY, locked
from device_tests.emulator.root import unpack
from device_tests.emulator.tools import Unavailable, missing_tools
from edgeguard.fleet.flash.bundle import Bundle
from edgeguard.fleet.flash.cloud_init import CloudInit
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.flash.wifi import Wifi
from tests.fleet.flash.cards import KERNEL_LINE, key

# Runs in a process of its own: cloud-init is no package of ours.
_VALIDATE = """
import json, sys
sys.path.append(sys.argv[1])
import yaml
from cloudinit.config.schema import SchemaType, SchemaValidationError, get_schema, validate_cloudconfig_schema
kind = SchemaType(sys.argv[2])
config = yaml.safe_load(sys.stdin.buffer.read())
try:
    schema = get_schema(kind)
    checked = validate_cloudconfig_schema(config, schema=schema, schema_type=kind, strict=True, log_deprecations=True)
    print(json.dumps({"checked": checked, "errors": []}))
except SchemaValidationError as error:
    print(json.dumps({"checked": True, "errors": [str(error)]}))
"""
USER_DATA, NETWORK = "cloud-config", "network-config"


@pytest.fixture(scope="session")
def cloud_init() -> Path:
    """Trixie's cloud-init and what it imports, unpacked below ``build/device``."""
    reason = missing_tools()
    if reason is not None:
        pytest.skip(reason)
    try:
        with locked(DIRECTORY / "cloud.lock"):
            place = DIRECTORY / "apt-cloud"
            packages = archive.fetch(place, cloud_recipe.PACKAGES, recipe.KERNEL, cloud_recipe.SUITE).userland
            name = next(path.stem for path in packages if path.name.startswith("cloud-init_"))
            folder = DIRECTORY / "cloud-init" / name
            if not folder.is_dir():
                _unpack_python(packages, folder)
    except Unavailable as error:
        pytest.skip(str(error))
    return folder / "usr/lib/python3/dist-packages"


def _unpack_python(packages: tuple[Path, ...], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as scratch:
        for package in packages:
            # Those that any machine can run.
            if package.name.startswith(("cloud-init_", "python3-")) and package.name.endswith("_all.deb"):
                unpack(package, Path(scratch))
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.parent.mkdir()
        os.rename(scratch, folder)
        Path(scratch).mkdir()


def validate(packages: Path, kind: str, document: bytes) -> list[str]:
    command = [sys.executable, "-c", _VALIDATE, str(packages), kind]
    done = subprocess.run(command, input=document, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert b"WARNING" not in done.stderr.upper(), done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["checked"], "nothing was checked"
    errors: list[str] = answer["errors"]
    return errors


def rendered(wifi: Wifi | None = None) -> dict[str, bytes]:
    settings = Settings("attic", "pi", (key(), key("ssh-rsa", "it's: #1")), wifi)
    bundle = Bundle("model", "0123456789abcdef", b"tar")
    files = CloudInit().render(settings, bundle, instance="edgeguard-1", kernel_line=KERNEL_LINE)
    return {file.name: file.data for file in files}


@pytest.mark.parametrize("wifi", [None, Wifi.from_password("home", "password", "DE")], ids=["cable", "wifi"])
def test_the_user_data_are_valid(cloud_init: Path, wifi: Wifi | None) -> None:
    assert validate(cloud_init, USER_DATA, rendered(wifi)["user-data"]) == []


def test_the_network_is_valid(cloud_init: Path) -> None:
    """Of a wireless one cloud-init's schema knows nothing: netplan's is asked when the emulated system boots."""
    assert validate(cloud_init, NETWORK, rendered()["network-config"]) == []


@pytest.mark.parametrize(
    ("key", "value"), [("enable_ssh", True), ("runcmd", [[1.5]]), ("users", [{"name": "x", "sudoo": "y"}])]
)
def test_what_cloud_init_does_not_know_would_be_seen(cloud_init: Path, key: str, value: Any) -> None:
    good = json.loads(rendered()["user-data"].partition(b"\n")[2])
    assert validate(cloud_init, USER_DATA, json.dumps(good | {key: value}).encode()) != []


def test_a_wrong_network_would_be_seen(cloud_init: Path) -> None:
    wrong = {"network": {"version": 2, "ethernets": {"eth0": {"dhcp4": "perhaps"}}}}
    assert validate(cloud_init, NETWORK, json.dumps(wrong).encode()) != []
