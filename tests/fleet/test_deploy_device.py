"""Deploys to the emulated device: a real installation, real ssh, and power that is really cut."""

from __future__ import annotations

import itertools
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device_tests.emulator.machine import Machine
from edgeguard.artifact import open_artifact
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.errors import DeviceError
from edgeguard.fleet import deploy as deploying
from edgeguard.fleet.address import parse_address
from edgeguard.fleet.deploy import Deployment, deploy, roll_back
from edgeguard.fleet.deploy_environment import fetched_once
from edgeguard.fleet.deploy_store import Place
from edgeguard.fleet.deploy_verify import complaint
from edgeguard.fleet.doctor import Facts, ask_before_deploy
from edgeguard.fleet.ssh import UNATTENDED, Ssh
from edgeguard.fleet.transport import Transport
from tests.artifacts import make_artifact
from tests.fleet.boards import NAME, Silent, Wrapped, version_of
from tests.tflite_artifacts import make_tflite_artifact

pytestmark = [pytest.mark.device, pytest.mark.timeout(1200)]

DIRECTORY = "deployed"
_FILL = (
    "import os; disk = os.statvfs('.'); stream = open('filler', 'wb'); "
    "os.posix_fallocate(stream.fileno(), 0, disk.f_bavail * disk.f_frsize - 600_000)"
)


class Pi:
    """The emulated device, and artifacts to deploy there.

    :param folder: where they are made.
    """

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self._wheels = fetched_once(dependencies=True)
        self._folder = folder
        self._seeds = itertools.count()

    def ssh(self, config: Path | None = None) -> Ssh:
        return Ssh(parse_address(self.machine.alias), config or self.machine.ssh_config, UNATTENDED)

    def deploy(self, artifact: Path, transport: Transport) -> Deployment:
        content = open_artifact(artifact)
        return deploy(transport, content, directory=DIRECTORY, wheels=self._wheels, reporter=Silent())

    def answering(self) -> str:
        """The current version, after it has verified and answered its goldens on the device."""
        with self.ssh() as transport:
            current = Place(transport, DIRECTORY, f"artifacts/{NAME}").status().current
            assert complaint(transport, f"{DIRECTORY}/env/current", f"{DIRECTORY}/artifacts/{NAME}/current") is None
        assert current is not None
        return current

    def fresh(self) -> Path:
        """An artifact of which the device has no file."""
        seed = next(self._seeds)
        folder = self._folder / str(seed)
        folder.mkdir()
        return make_artifact(folder, seed=seed, with_lab=False)

    def refuses(self, cause: str, transport: Transport) -> None:
        """A deploy fails for this cause, and what was current answers on."""
        before = self.answering()
        with pytest.raises(DeviceError, match=cause) as it:
            self.deploy(self.fresh(), transport)
        assert it.value.exit_code == 6
        assert self.answering() == before


@pytest.fixture(scope="session")
def installed(emulated: Machine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pi, Facts]:
    """With edgeguard installed from wheels that were carried along, and an artifact; and what doctor found before.

    Once a worker, as the device is: between two tests of this file a worker may run tests of others.
    """
    device = Pi(emulated, tmp_path_factory.mktemp("artifacts"))
    with device.ssh() as transport:
        facts = ask_before_deploy(transport, DIRECTORY)
        assert device.deploy(device.fresh(), transport).environment_built
    return device, facts


@pytest.fixture
def pi(installed: tuple[Pi, Facts], monkeypatch: pytest.MonkeyPatch) -> Pi:
    """The device as it was found: asking it again takes longer than all the rest, and it stays what it is."""
    device, facts = installed
    monkeypatch.setattr(deploying, "ask_before_deploy", lambda *_: facts)
    return device


def test_neither_torch_nor_onnx_is_installed_there(pi: Pi) -> None:
    listed = pi.machine.ssh(f"{DIRECTORY}/env/current/bin/python -m pip list --format=freeze", timeout=300)
    names = {line.partition("==")[0].lower() for line in listed.split()}
    assert {"edgeguard", "onnxruntime", "numpy"} <= names
    assert not names & {"torch", "onnx", "onnxscript"}
    assert pi.answering()


def test_only_what_changed_is_sent_and_there_is_a_way_back(pi: Pi) -> None:
    before, artifact = pi.answering(), pi.fresh()
    with pi.ssh() as transport:
        done = pi.deploy(artifact, transport)
        size = sum(path.stat().st_size for path in artifact.iterdir())
        assert (done.environment_built, done.files_sent, done.bytes_sent) == (False, 3, size)
        assert (done.version, done.previous) == (version_of(artifact), before)
        back = roll_back(transport, NAME, directory=DIRECTORY, reporter=Silent())
    assert (back.version, back.previous) == (before, version_of(artifact))
    assert pi.answering() == before


@dataclass(frozen=True)
class _Cutting(Wrapped):
    """Does something a moment after the so-many-th command was begun."""

    command: int
    delay: float
    machine: Machine
    commands: list[str] = field(default_factory=list)

    def instead(self, command: Sequence[str]) -> Sequence[str]:
        self.commands.append(command[0])
        if len(self.commands) == self.command:
            cut = threading.Timer(self.delay, self.machine.power_off)
            cut.start()
        return command


_MORE = ((5, 0.3), (5, 0.6), (6, 0.1), (9, 0.6), (10, 0.1))


# The 5th command writes the version, the 6th verifies it, the 9th switches to it, the 10th verifies again.
@pytest.mark.parametrize(
    ("command", "delay"),
    [(9, 0.3)] + [pytest.param(*late, marks=pytest.mark.long) for late in _MORE],
)
def test_a_power_cut(pi: Pi, command: int, delay: float) -> None:
    before, artifact = pi.answering(), pi.fresh()
    after = version_of(artifact)
    with pi.ssh() as transport:
        cutting = _Cutting(transport, command, delay, pi.machine)
        with pytest.raises(DeviceError):
            pi.deploy(artifact, cutting)
    _wait_until(lambda: not pi.machine.running)
    pi.machine.power_on()
    assert pi.answering() in (before, after)
    with pi.ssh() as transport:
        assert pi.deploy(artifact, transport).version == after
    assert pi.answering() == after


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@dataclass(frozen=True)
class _Dropping(Wrapped):
    """Has the device's sshd drop all connections while the files are on their way."""

    machine: Machine

    def fed(self, stdin: Iterable[bytes]) -> Iterable[bytes]:
        for count, chunk in enumerate(stdin):
            if count == 3:
                self.machine.ssh("pkill -9 -f '^sshd: pi'", user="root")
            yield chunk


def test_a_connection_that_the_device_drops(pi: Pi) -> None:
    with pi.ssh() as transport:
        pi.refuses("the connection broke", _Dropping(transport, pi.machine))


def test_a_full_disk(pi: Pi) -> None:
    pi.machine.ssh(f"python3 -c {shlex.quote(_FILL)}")
    try:
        with pi.ssh() as transport:
            pi.refuses("its disk is full", transport)
    finally:
        pi.machine.ssh("rm filler")


def test_another_host_key(pi: Pi, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    key = "AAAAC3NzaC1lZDI1NTE5AAAAIJ8W8h1zcc+RrxgS5tdiyDv2yw5Zk9vOWKJ4ivGmcPdU"
    known.write_text(f"{pi.machine.alias} ssh-ed25519 {key}\n")
    with pi.ssh(_configured(pi, tmp_path, "UserKnownHostsFile", known)) as transport:
        pi.refuses("its host key is not the one that is known", transport)
    known.write_text("")
    with pi.ssh(_configured(pi, tmp_path, "UserKnownHostsFile", known)) as transport:
        pi.refuses("its host key is unknown", transport)


def test_another_users_key(pi: Pi, tmp_path: Path) -> None:
    with pi.ssh(_configured(pi, tmp_path, "IdentityFile", tmp_path / "none")) as transport:
        pi.refuses("it lets nobody in with these keys", transport)


def _configured(pi: Pi, directory: Path, option: str, value: Path) -> Path:
    """The device's ssh configuration with another value; the first one that ssh reads counts."""
    lines = pi.machine.ssh_config.read_text().splitlines()
    path = directory / "ssh_config"
    path.write_text("\n".join(line for line in lines if line.split()[0] != option) + f'\n    {option} "{value}"\n')
    return path


@pytest.mark.long
def test_a_tflite_artifact_brings_its_engine_along(pi: Pi, tmp_path: Path) -> None:
    """It stays for as long as such an artifact is in use."""
    artifact = make_tflite_artifact(tmp_path, name=NAME, defense=Defense(Dcp()), placement="graph")
    before = pi.answering()
    with pi.ssh() as transport:
        done = pi.deploy(artifact, transport)
        assert (done.version, done.environment_built) == (version_of(artifact), True)
        assert pi.answering() == version_of(artifact)
        back = roll_back(transport, NAME, directory=DIRECTORY, reporter=Silent())
    assert back.version == before
    assert pi.answering() == before
