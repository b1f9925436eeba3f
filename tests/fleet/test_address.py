"""Addresses: what a user may write, and what must never reach ssh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.errors import UsageError
from edgeguard.fleet.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("pi@raspberrypi.local", Address("pi", "raspberrypi.local", None)),
        ("raspberrypi", Address(None, "raspberrypi", None)),
        ("pi@192.0.2.7:2222", Address("pi", "192.0.2.7", 2222)),
        ("pi@[2001:db8::7]:22", Address("pi", "2001:db8::7", 22)),
        ("pi@[2001:db8::7]", Address("pi", "2001:db8::7", None)),
        ("2001:db8::7", Address(None, "2001:db8::7", None)),
        ("pi@fe80::1%eth0", Address("pi", "fe80::1%eth0", None)),
        ("a_b.c-d@my_alias", Address("a_b.c-d", "my_alias", None)),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "pi@", "@host", "pi@host:", "pi@host:x", "pi@host:0", "pi@host:65536", "-oProxyCommand=reboot", "pi@-host",
     "-pi@host", "pi@ho st", "pi@host;reboot", "pi@$(reboot)", "pi@[::1]:99999", "a@b@c", "pi@host\n", "[host"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


@given(st.text())
def test_nothing_that_is_accepted_could_be_an_option_or_a_second_word(text: str) -> None:
    try:
        address = parse_address(text)
    except UsageError:
        return
    for word in (address.host, address.user or "pi"):
        assert not word.startswith("-")
        assert word.isprintable()
        assert not set(word) & set(" \t\n\"'`$;&|<>()\\")


@pytest.mark.parametrize("text", ["pi@host", "host", "pi@host:2222", "pi@[2001:db8::7]:22", "pi@2001:db8::7"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_address(text)) == text
