"""What may be asked for: names, the wireless network, and its key in the place of the password."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.errors import UsageError
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.flash.wifi import Wifi
from tests.fleet.flash.cards import key


@pytest.mark.parametrize("name", ["edgeguard", "a", "pi-4", "0", "x" * 63, "Attic2"])
def test_names_of_rfc_1123_are_taken(name: str) -> None:
    assert Settings(name, "pi", (key(),)).hostname == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a.b", "a b", "x" * 64, "ä", "a\n", "a\nb", "a;reboot", "$(x)", "a_b"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no host name"):
        Settings(name, "pi", (key(),))


@pytest.mark.parametrize("user", ["", "Pi", "1pi", "pi\n", "pi:x", "../pi", "a" * 33, "pi x", "-pi", "%h", "p$"])
def test_users_that_useradd_refuses_are_refused(user: str) -> None:
    with pytest.raises(UsageError, match="is no user name"):
        Settings("edgeguard", user, (key(),))


def test_root_and_a_device_without_a_key_are_refused() -> None:
    with pytest.raises(UsageError, match="belongs to a user, not to root"):
        Settings("edgeguard", "root", (key(),))
    with pytest.raises(UsageError, match="nobody could log in"):
        Settings("edgeguard", "pi", ())


@pytest.mark.parametrize(
    ("ssid", "password", "expected"),
    # IEEE 802.11i-2004, H.4.3: its own test vectors.
    [
        ("IEEE", "password", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
        ("ThisIsASSID", "ThisIsAPassword", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
        ("Z" * 32, "a" * 32, "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"),
    ],
)
def test_the_key_is_the_standards(ssid: str, password: str, expected: str) -> None:
    assert Wifi.from_password(ssid, password, "de") == Wifi(ssid, expected, "DE")


def test_a_password_of_64_hex_digits_is_the_key_itself() -> None:
    assert Wifi.from_password("home", "AB" * 32, "DE").key == "ab" * 32


def test_the_key_is_not_shown() -> None:
    assert "ab" * 32 not in repr(Wifi("home", "ab" * 32, "DE"))


@pytest.mark.parametrize("password", ["", "7 chars", "x" * 64, "pässwörd", "tab\tinside", "line\nbreak"])
def test_passwords_that_wpa2_does_not_have_are_refused_without_being_said(password: str) -> None:
    with pytest.raises(UsageError, match="cannot be one of WPA2") as caught:
        Wifi.from_password("home", password, "DE")
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("ssid", ["", "x" * 33, "ä" * 17, "a\nb", "a\x00", "\u2028"])
def test_names_of_no_network_are_refused(ssid: str) -> None:
    with pytest.raises(UsageError, match="the network's name"):
        Wifi.from_password(ssid, "password", "DE")


@pytest.mark.parametrize("country", ["", "D", "DEU", "D1", "ÄÖ", "D\n", "de fr"])
def test_countries_that_are_none_are_refused(country: str) -> None:
    with pytest.raises(UsageError, match="is no country"):
        Wifi.from_password("home", "password", country)


@given(st.text(max_size=70))
def test_what_is_taken_for_a_host_name_is_one_whatever_is_typed(name: str) -> None:
    try:
        settings = Settings(name, "pi", (key(),))
    except UsageError:
        return
    assert re.fullmatch(r"[A-Za-z0-9-]{1,63}", settings.hostname, re.ASCII)
