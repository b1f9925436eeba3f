"""The whole way: an image is flashed by the command line, boots with real cloud-init, and has the artifact verified."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from device_tests.emulator.cloud_image import BOOT_OFFSET, build_cloud_image
from device_tests.emulator.cloud_machine import CloudMachine, boot_cloud_image
from device_tests.emulator.cloud_recipe import BOOT_BYTES
from device_tests.emulator.tools import Unavailable, missing_tools
from edgeguard.errors import UsageError
from edgeguard.fleet.flash.cloud_init import CloudInit
from edgeguard.fleet.flash.wifi import Wifi
from edgeguard.fleet.wheels import fetch_wheels
from tests.artifacts import make_artifact
from tests.cli.shell import edgeguard
from tests.fleet.boards import Silent, version_of

SSID = 'Über "all": #1'
PASSWORD = "correct horse battery"
EDGEGUARD = "env OPENBLAS_NUM_THREADS=1 edgeguard/env/current/bin/python -P -m edgeguard.cli"


@dataclass
class Flashed:
    """A flashed image that has booted.

    :param said: the answer of ``edgeguard flash --json``.
    :param outcome: of the first boot, as the device tells it.
    """

    artifact: Path
    disk: Path
    machine: CloudMachine
    said: dict[str, Any]
    outcome: dict[str, Any]


@pytest.fixture
def flashed(tmp_path: Path) -> Iterator[Flashed]:
    reason = missing_tools()
    if reason is not None:
        pytest.skip(reason)
    try:
        image = build_cloud_image()
        fetch_wheels(CloudInit().python, dependencies=True, reporter=Silent())
    except (Unavailable, UsageError) as error:
        pytest.skip(str(error))
    disk, artifact = tmp_path / "pios.img", make_artifact(tmp_path)
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(image.disk), str(disk)], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "id")], check=True)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    who = ("--ssh-key", tmp_path / "id.pub", "--hostname", "attic", "--user", "rosa")
    where = ("--wifi", SSID, "--wifi-country", "de", "--wifi-password-file", tmp_path / "password")
    done = edgeguard("flash", artifact, "--image", disk, *who, *where, "--json")
    assert done.returncode == 0, done.stderr
    with boot_cloud_image(image, disk, tmp_path / "machine", "rosa", tmp_path / "id") as machine:
        machine.wait_for("true", 300)
        outcome = json.loads(machine.wait_for("cat edgeguard/first-boot.json", 400))
        yield Flashed(artifact, disk, machine, json.loads(done.stdout), outcome)
    disk.unlink()


@pytest.mark.device
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_flashed_image_boots_lets_the_key_in_and_has_the_artifact_installed_and_verified(flashed: Flashed) -> None:
    """One test, for a boot takes minutes."""
    it_comes_up_under_its_name_and_lets_the_key_in(flashed)
    cloud_init_took_all_of_it_without_a_warning(flashed)
    the_artifact_is_installed_and_verified_there(flashed)
    the_next_boots_service_does_nothing(flashed)
    nothing_of_the_exporter_is_there(flashed)
    netplan_takes_the_wireless_network_with_its_key(flashed)
    the_password_is_not_on_the_boot_partition(flashed)


def it_comes_up_under_its_name_and_lets_the_key_in(flashed: Flashed) -> None:
    assert flashed.machine.ssh("hostname; whoami; sudo -n whoami").stdout.split() == ["attic", "rosa", "root"]
    failed = flashed.machine.ssh("systemctl --failed --plain --no-legend").stdout
    assert failed == ""


def cloud_init_took_all_of_it_without_a_warning(flashed: Flashed) -> None:
    status = json.loads(flashed.machine.ssh("cloud-init status --wait --format json").stdout)
    assert status["errors"] == []
    assert status["recoverable_errors"] == {}
    assert "ds_config_seedfrom" in status["detail"]
    line = flashed.machine.ssh("cat /proc/cmdline").stdout.split()
    assert f"ds=nocloud;i={flashed.said['instance']}" in line


def the_artifact_is_installed_and_verified_there(flashed: Flashed) -> None:
    assert flashed.outcome["state"] == "installed"
    assert flashed.outcome["bundle"] == flashed.said["bundle"]
    assert flashed.outcome["version"] == version_of(flashed.artifact)
    done = flashed.machine.ssh(f"{EDGEGUARD} verify edgeguard/artifacts/model/current --json", timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"] is True
    assert found["goldens"]["count"] == 32


def the_next_boots_service_does_nothing(flashed: Flashed) -> None:
    done = flashed.machine.ssh("sudo -n systemctl start edgeguard-first-boot && cat edgeguard/first-boot.json")
    assert json.loads(done.stdout) == flashed.outcome
    assert flashed.machine.ssh("systemctl is-enabled edgeguard-first-boot ssh").stdout.split() == ["enabled"] * 2


def nothing_of_the_exporter_is_there(flashed: Flashed) -> None:
    script = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    installed = flashed.machine.ssh(f"edgeguard/env/current/bin/python -P -c '{script}'", timeout=120).stdout.split()
    assert "edgeguard" in installed
    assert not {"torch", "onnx"} & set(installed)


def netplan_takes_the_wireless_network_with_its_key(flashed: Flashed) -> None:
    got = flashed.machine.ssh("sudo -n netplan get wifis.wlan0 && sudo -n cat /run/netplan/wpa-wlan0.conf")
    assert got.returncode == 0, got.stderr
    key = Wifi.from_password(SSID, PASSWORD, "DE").key
    assert f"psk={key}" in got.stdout
    assert "country=DE" in got.stdout


def the_password_is_not_on_the_boot_partition(flashed: Flashed) -> None:
    with flashed.disk.open("rb") as stream:
        stream.seek(BOOT_OFFSET)
        content = stream.read(BOOT_BYTES)
    assert flashed.said["instance"].encode() in content
    assert PASSWORD.encode() not in content
