"""What the firmware of a Pi says about heat and power."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.bench.throttled import Throttled, decode_throttled, read_throttled
from tests.bench.machines import put


@pytest.mark.parametrize(
    ("text", "now", "since_boot"),
    [
        ("throttled=0x0", (), ()),
        ("throttled=0x50005", ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        ("throttled=0x50000\n", (), ("under-voltage", "throttled")),
        ("throttled=0x80008", ("soft temperature limit",), ("soft temperature limit",)),
        ("throttled=0x20002", ("frequency capped",), ("frequency capped",)),
        ("throttled=0xE0008", ("soft temperature limit",), ("frequency capped", "throttled", "soft temperature limit")),
    ],
)
def test_bits(text: str, now: tuple[str, ...], since_boot: tuple[str, ...]) -> None:
    found = decode_throttled(text)
    assert found is not None
    assert (found.source, found.now, found.since_boot) == ("vcgencmd", now, since_boot)
    assert int(found.raw, 16) == int(text.strip().partition("=")[2], 16)


@pytest.mark.parametrize("text", ["", "VCHI initialization failed", "throttled=0xzz", "error throttled=0x0"])
def test_an_error_is_no_health(text: str) -> None:
    assert decode_throttled(text) is None


def _command(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_command_is_asked(tmp_path: Path) -> None:
    command = _command(tmp_path / "vcgencmd", '[ "$1" = get_throttled ] && echo throttled=0x1')
    assert read_throttled(tmp_path, command) == Throttled("vcgencmd", "0x1", ("under-voltage",), ())


def test_the_driver_is_asked_where_the_command_fails(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
            "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
        },
    )
    command = _command(tmp_path / "vcgencmd", "echo VCHI initialization failed; exit 255")
    expected = Throttled("hwmon", "0x1", ("under-voltage",), ())
    assert read_throttled(tmp_path, command) == expected
    assert read_throttled(tmp_path, str(tmp_path / "no such command")) == expected


def test_nobody_to_ask_is_unknown(tmp_path: Path) -> None:
    assert read_throttled(tmp_path, str(tmp_path / "no such command")) is None
