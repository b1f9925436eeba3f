"""The doctor at the emulated device."""

from __future__ import annotations

import pytest

from device_tests.emulator.machine import Machine
from edgeguard.fleet.address import parse_address
from edgeguard.fleet.doctor import ask_device, diagnose, diagnose_before_deploy
from edgeguard.fleet.ssh import Ssh
from tests.fleet.doctor.devices import manifest_of


@pytest.mark.device
def test_an_emulated_board_is_called_one_and_is_fit_for_a_deployment(emulated: Machine) -> None:
    with Ssh(parse_address(emulated.alias), emulated.ssh_config) as device:
        facts = ask_device(device, "doctor-was-here")
    assert (facts.kind.kind, facts.answer.machine, facts.answer.interpreter.origin) == ("emulated", "aarch64", "own")
    assert (
        facts.cpu.model
        == {"cortex-a53": "Cortex-A53", "cortex-a72": "Cortex-A72", "cortex-a76": "Cortex-A76"}[emulated.core]
    )
    assert diagnose_before_deploy(facts, device.name, manifest_of()).problems == ()
    lines = {line.name: line for line in diagnose(facts, device.name).lines}
    assert (lines["userland"].status, lines["device"].status, lines["power"].status) == ("ok", "warning", "warning")
    assert "doctor-was-here" not in emulated.ssh("ls")
