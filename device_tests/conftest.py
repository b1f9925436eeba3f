"""Which device the suite runs against: the one that was named, the emulated one that runs, or one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device_tests.answering import Answers, answers_of
from device_tests.emulator.fixtures import emulated  # noqa: F401 - a fixture, found by its name
from device_tests.emulator.service import running_machine
from device_tests.provision import DIRECTORY, provision
from device_tests.subjects import Subject, make_subjects
from edgeguard.fleet.address import parse_address
from edgeguard.fleet.ssh import Ssh
from edgeguard.fleet.transport import Transport


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edgeguard")
    group.addoption("--device", metavar="[USER@]HOST[:PORT]", help="A board; else the emulated device.")
    group.addoption("--ssh-config", type=Path, help="An ssh configuration instead of your own.")
    group.addoption("--directory", default=DIRECTORY, help=f"Where the tests work there.  [default: {DIRECTORY}]")
    group.addoption("--artifact", type=Path, action="append", default=[], help="Test this artifact, too. Repeatable.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.device)
            # Bringing edgeguard to a slow board is part of the first test.
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Iterator[Transport]:
    """The way to the device."""
    host, config = request.config.getoption("--device"), request.config.getoption("--ssh-config")
    if host is None:
        found = running_machine()
        machine = request.getfixturevalue("emulated") if found is None else found.connection
        host, config = machine.alias, machine.ssh_config
    with Ssh(parse_address(host), config) as ssh:
        yield ssh


@pytest.fixture(scope="session")
def directory(device: Transport, request: pytest.FixtureRequest) -> str:
    """Edgeguard's directory there, with its environment in it."""
    return provision(device, request.config.getoption("--directory"))


@pytest.fixture(scope="session")
def subjects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """The artifacts of the suite and the user's own, by name."""
    own = request.config.getoption("--artifact")
    return make_subjects(tmp_path_factory.mktemp("artifacts"), own)


@pytest.fixture(scope="session")
def answers(device: Transport, directory: str, subjects: dict[str, Subject]) -> Answers:
    """What the device says of them all, asked once."""
    return answers_of(device, directory, subjects)
