"""The README's device part, followed word by word on the emulated device."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_tests.emulator.machine import Machine
from edgeguard.bench.result import read_result
from tests.artifacts import make_artifact

ROOT = Path(__file__).resolve().parents[1]
_SECTION = re.search(r"## On a Raspberry Pi\n.*?```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
LINES = [] if _SECTION is None else _SECTION[1].strip().splitlines()

pytestmark = [pytest.mark.device, pytest.mark.long, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Desk:
    """A directory with ``model.edgeguard`` in it, from which a name leads to the emulated device."""

    directory: Path
    environment: dict[str, str]

    def run(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def desk(emulated: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    place = tmp_path_factory.mktemp("desk")
    config = place / "ssh_config"
    # The name that the README uses, in a configuration that the user would have in ~/.ssh.
    config.write_text(emulated.ssh_config.read_text().replace(f"Host {emulated.alias}", "Host raspberrypi.local"))
    ssh = place / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F "{config}" "$@"\n')
    ssh.chmod(0o755)
    path = os.pathsep.join([str(ssh.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    make_artifact(place)
    yield Desk(place, {**os.environ, "PATH": path})
    emulated.ssh("rm -rf ~/edgeguard")


def test_its_commands_work_in_order_and_back(desk: Desk) -> None:
    """One test: parts of it, spread over processes, would meet on the one emulated machine."""
    _deployed_and_measured(desk)
    result = read_result(desk.directory / "model.raspberrypi.local.result.json")
    assert result.device_kind == "emulated"
    assert result.counts is not None
    assert not result.latency
    _rolled_back(desk)


def _deployed_and_measured(desk: Desk) -> None:
    assert [line.split()[0] for line in LINES] == ["edgeguard"] * 3 + ["ssh"] * 2
    examined, deployed, measured, verified, listed = (desk.run(line) for line in LINES)
    assert "problem" not in examined.replace("0 problems", "")
    assert "is current now, and verified" in deployed
    assert "emulated" in measured
    assert "instructions" in measured
    assert not re.search(r"\d (us|ms)\b", measured)
    assert "FAILED" not in verified
    packages = {line.split()[0].lower() for line in listed.splitlines()[2:]}
    assert {"edgeguard", "numpy", "onnxruntime"} <= packages
    assert not {"torch", "onnx", "onnxscript"} & packages


def _rolled_back(desk: Desk) -> None:
    deploy = LINES[1].partition("#")[0]
    make_artifact(desk.directory, seed=1)
    assert "is current now" in desk.run(deploy)
    where = LINES[3].replace("verify", "verify --json")
    second = desk.run("ssh pi@raspberrypi.local readlink edgeguard/artifacts/model/current")
    desk.run(f"{deploy} --rollback")
    assert desk.run("ssh pi@raspberrypi.local readlink edgeguard/artifacts/model/previous") == second
    assert '"passed": true' in desk.run(where)
