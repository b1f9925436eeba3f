"""Power of a Pi 5's rails, and machines that have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.bench.pmic import parse_rails, read_rails
from edgeguard.errors import DeviceError
from tests.bench.firmware import PI5_RAILS, PI5_WATTS, fake_vcgencmd


def test_power_is_the_sum_over_rails_with_current_and_voltage() -> None:
    rails = parse_rails(PI5_RAILS)
    assert rails is not None
    assert set(rails.watts) == {"3V7_WL_SW", "3V3_SYS", "VDD_CORE", "HDMI"}  # not EXT5V, whose current nobody measures
    assert rails.watts["VDD_CORE"] == pytest.approx(0.8124 * 0.7202829)
    assert rails.total == pytest.approx(PI5_WATTS)


@pytest.mark.parametrize("text", ["", 'error=1 error_msg="Command not registered"', " EXT5V_V volt(24)=5.1V\n"])
def test_an_answer_without_a_rail_is_none(text: str) -> None:
    assert parse_rails(text) is None


def test_the_firmware_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_vcgencmd(tmp_path / "bin", monkeypatch)
    assert read_rails().total == pytest.approx(PI5_WATTS)


def test_a_pi_4_says_that_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_vcgencmd(tmp_path / "bin", monkeypatch, rails='error=1 error_msg="Command not registered"\n')
    with pytest.raises(DeviceError, match=r"Command not registered.*--energy"):
        read_rails()


def test_a_machine_without_the_command_says_so() -> None:
    with pytest.raises(DeviceError, match="no command no-such-vcgencmd"):
        read_rails("no-such-vcgencmd")


def test_a_command_that_says_nothing_is_reported() -> None:
    with pytest.raises(DeviceError, match="exit code 1"):
        read_rails("false")
