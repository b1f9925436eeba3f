"""What cloud-init is told, read as cloud-init reads it."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.fleet.flash.bundle import Bundle
from edgeguard.fleet.flash.cloud_init import CloudInit
from edgeguard.fleet.flash.public_keys import PublicKey
from edgeguard.fleet.flash.renderers import RENDERERS
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.flash.wifi import Wifi
from tests.fleet.flash.cards import KERNEL_LINE, key

BUNDLE = Bundle("model", "0123456789abcdef", b"tar")
ssids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=32).filter(
    lambda text: text.isprintable() and len(text.encode()) <= 32
)
comments = st.text(max_size=40).filter(str.isprintable)


def rendered(settings: Settings, line: bytes = KERNEL_LINE) -> dict[str, bytes]:
    files = CloudInit().render(settings, BUNDLE, instance="edgeguard-1", kernel_line=line)
    return {file.name: file.data for file in files}


def read(settings: Settings) -> tuple[Any, Any, Any]:
    files = rendered(settings)
    assert files["user-data"].startswith(b"#cloud-config\n")
    names = ("user-data", "meta-data", "network-config")
    user, meta, network = (yaml.safe_load(files[name].decode()) for name in names)
    return user, meta, network


def test_what_decides_comes_last_and_the_bundle_first() -> None:
    assert list(rendered(Settings("attic", "pi", (key(),)))) == [
        BUNDLE.path,
        "network-config",
        "user-data",
        "meta-data",
        "cmdline.txt",
    ]


def test_the_device_gets_its_name_its_user_and_the_keys_and_no_password() -> None:
    second = key("ssh-rsa", "")
    user, meta, network = read(Settings("attic", "rosa", (key(), second)))
    assert user["hostname"] == "attic"
    assert user["ssh_pwauth"] is False
    (account,) = user["users"]
    assert account["name"] == "rosa"
    assert account["lock_passwd"] is True
    assert account["ssh_authorized_keys"] == [str(key()), str(second)]
    assert {"video", "netdev", "sudo"} <= set(account["groups"].split(","))
    assert "passwd" not in account
    assert "enable_ssh" not in user
    assert ["systemctl", "enable", "--now", "ssh.service"] in user["runcmd"]
    assert meta == {"instance-id": "edgeguard-1", "dsmode": "local"}
    assert network == {
        "network": {"version": 2, "ethernets": {"eth0": {"dhcp4": True, "dhcp6": True, "optional": True}}}
    }


def test_the_service_runs_as_the_user_and_knows_the_bundle_by_digest() -> None:
    user, _, _ = read(Settings("attic", "rosa", (key(),)))
    files = {file["path"]: file for file in user["write_files"]}
    assert {file["owner"] for file in files.values()} == {"root:root"}
    assert {file["permissions"] for file in files.values()} == {"0644"}
    unit = files["/etc/systemd/system/edgeguard-first-boot.service"]["content"]
    assert "\nUser=rosa\n" in unit
    request = files["/usr/local/lib/edgeguard/first_boot.json"]["content"]
    assert yaml.safe_load(request) == {
        "bundle": f"/boot/firmware/{BUNDLE.path}",
        "sha256": BUNDLE.digest,
        "name": "model",
        "directory": "edgeguard",
    }
    compile(files["/usr/local/lib/edgeguard/first_boot.py"]["content"], "first_boot.py", "exec")


def test_a_wireless_network_is_joined_by_its_key_not_its_password() -> None:
    wifi = Wifi.from_password("IEEE", "password", "de")
    files = rendered(Settings("attic", "pi", (key(),), wifi))
    network = yaml.safe_load(files["network-config"])["network"]
    assert network["wifis"]["wlan0"] == {
        "dhcp4": True,
        "optional": True,
        "regulatory-domain": "DE",
        "access-points": {"IEEE": {"password": "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"}},
    }
    assert network["ethernets"]
    assert files["cmdline.txt"].endswith(b" ds=nocloud;i=edgeguard-1 cfg80211.ieee80211_regdom=DE\n")
    assert ["rfkill", "unblock", "wifi"] in yaml.safe_load(files["user-data"])["runcmd"]


def test_the_clear_password_is_nowhere() -> None:
    wifi = Wifi.from_password("home", "correct horse", "DE")
    assert all(b"correct horse" not in data for data in rendered(Settings("attic", "pi", (key(),), wifi)).values())


@given(ssids, comments)
def test_hostile_names_and_comments_stay_text(ssid: str, comment: str) -> None:
    hostile = PublicKey(key().kind, key().body, comment)
    wifi = Wifi.from_password(ssid, "password", "DE")
    user, meta, network = read(Settings("attic", "pi", (hostile,), wifi))
    assert network["network"]["wifis"]["wlan0"]["access-points"] == {ssid: {"password": wifi.key}}
    assert user["users"][0]["ssh_authorized_keys"] == [str(hostile)]
    plain_user, plain_meta, _ = read(Settings("attic", "pi", (key(),), Wifi("home", wifi.key, "DE")))
    plain_user["users"][0]["ssh_authorized_keys"] = [str(hostile)]
    assert user == plain_user
    assert meta == plain_meta


def test_whose_settings_a_card_holds_is_read_from_the_kernels_line() -> None:
    renderer = RENDERERS["cloud-init"]
    assert renderer.prepared_by(KERNEL_LINE) is None
    assert renderer.prepared_by(b"a ds=nocloud;i=rpios-image\n") is None
    assert renderer.prepared_by(b"a ds=nocloud;i=rpi-imager-1\n") == "rpi-imager-1"
