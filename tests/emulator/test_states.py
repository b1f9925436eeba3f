"""State files, SSH files, command lines: all that surrounds a machine, without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from device_tests.emulator import qemu, service
from device_tests.emulator.__main__ import main
from device_tests.emulator.connection import ALIAS, Connection, write_keys, write_ssh_config
from device_tests.emulator.qemu import Hardware, arguments
from edgeguard.errors import DeviceError, UsageError


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def recorded(directory: Path, process: subprocess.Popen[bytes], core: str = "cortex-a72") -> service.Running:
    place = directory / "run" / core
    place.mkdir(parents=True)
    started = service._started(process.pid)
    assert started is not None
    state = service.Running(core, 512, True, "0123", process.pid, started, 2222, str(place / "ssh_config"))
    (place / "state.json").write_text(json.dumps(asdict(state)))
    return state


def test_a_running_device_is_found(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    state = recorded(tmp_path, process)
    assert service.running_machine(directory=tmp_path) == state
    assert service.running_machine("cortex-a72", tmp_path) == state
    assert service.running_machine("cortex-a53", tmp_path) is None
    assert state.connection == Connection(tmp_path / "run/cortex-a72/ssh_config", 2222)


def test_a_device_that_has_died_is_not(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    recorded(tmp_path, process)
    process.kill()
    deadline = time.monotonic() + 10
    while service.running_machine(directory=tmp_path) is not None:
        assert time.monotonic() < deadline
    process.wait()
    assert service.running_machine(directory=tmp_path) is None


def test_a_process_that_only_has_the_number_is_not(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    state = recorded(tmp_path, process)
    older = replace(state, started=state.started - 1)
    (tmp_path / "run/cortex-a72/state.json").write_text(json.dumps(asdict(older)))
    assert service.running_machine(directory=tmp_path) is None
    assert service.halt(directory=tmp_path) == []
    assert process.poll() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"core": "cortex-a72"}', "null"])
def test_a_state_file_that_says_nothing_is_no_device(tmp_path: Path, text: str) -> None:
    (tmp_path / "run/cortex-a72").mkdir(parents=True)
    (tmp_path / "run/cortex-a72/state.json").write_text(text)
    assert service.running_machines(tmp_path) == []


def test_halting_ends_the_process_and_removes_its_disk(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    state = recorded(tmp_path, process)
    assert service.halt("cortex-a53", tmp_path) == []
    assert service.halt(directory=tmp_path) == [state]
    assert process.wait(10) != 0
    assert not (tmp_path / "run/cortex-a72").exists()


def test_ssh_reads_the_configuration_as_it_is_meant(tmp_path: Path) -> None:
    """OpenSSH itself is the reader; the directory's name has a space."""
    directory = tmp_path / "with space"
    directory.mkdir()
    (tmp_path / "key").write_text("secret\n")
    write_keys(directory, tmp_path / "key", "ssh-ed25519 AAAA")
    connection = write_ssh_config(directory, 2345)
    command = ["ssh", "-G", "-F", str(connection.ssh_config), ALIAS]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    read = dict(line.split(" ", 1) for line in lines)
    assert (read["hostname"], read["port"], read["user"]) == ("127.0.0.1", "2345", "pi")
    assert read["identityfile"].strip('"') == str(directory / "id_ed25519")
    assert read["userknownhostsfile"].strip('"') == str(directory / "known_hosts")
    assert (read["identitiesonly"], read["stricthostkeychecking"], read["hostkeyalias"]) == ("yes", "true", ALIAS)
    assert (directory / "known_hosts").read_text() == f"{ALIAS} ssh-ed25519 AAAA\n"
    assert (directory / "id_ed25519").read_text() == "secret\n"
    assert (directory / "id_ed25519").stat().st_mode & 0o777 == 0o600


def test_a_command_that_cannot_be_run_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("")
    write_keys(tmp_path, tmp_path / "key", "ssh-ed25519 AAAA")
    connection = write_ssh_config(tmp_path, qemu.free_port())
    with pytest.raises(DeviceError, match=r"ssh failed.*refused"):
        connection.ssh("true")


@pytest.mark.parametrize(("core", "memory"), [("cortex-a15", 1024), ("max", 1024), ("cortex-a72", 16)])
def test_impossible_hardware_is_refused(core: str, memory: int) -> None:
    with pytest.raises(UsageError):
        Hardware(core, memory)


def test_the_command_line_shuts_the_guest_in(tmp_path: Path) -> None:
    command = arguments(tmp_path, Hardware("cortex-a53", 256, icount=True), 2345)
    network = command[command.index("-netdev") + 1].split(",")
    assert "restrict=on" in network
    assert "hostfwd=tcp:127.0.0.1:2345-10.0.2.15:22" in network
    assert command[command.index("-m") + 1] == "256"
    assert "-icount" in command
    assert "-icount" not in arguments(tmp_path, Hardware(icount=False), 2345)


def test_a_comma_in_the_directorys_name_reaches_qemu(tmp_path: Path) -> None:
    assert f"file={tmp_path}/a,,b/disk.ext4,if=none" in " ".join(arguments(tmp_path / "a,b", Hardware(), 1))


FAKE = """#!{python}
import sys, time
taken = {taken}
if any(f"127.0.0.1:{{port}}-" in word for word in sys.argv for port in taken):
    sys.exit("qemu-system-aarch64: Could not set up host forwarding rule")
print({text!r}, flush=True)
time.sleep({seconds})
"""


def fake_qemu(
    directory: Path, monkeypatch: pytest.MonkeyPatch, text: str, seconds: int, taken: tuple[int, ...]
) -> None:
    program = directory / "qemu-system-aarch64"
    program.write_text(FAKE.format(python=sys.executable, text=text, seconds=seconds, taken=taken))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def test_another_port_is_tried_when_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, monkeypatch, "Server listening on 0.0.0.0 port 22.", 60, (4001,))
    process, port = qemu.boot(tmp_path, Hardware(), qemu.BOUND, port=4001)
    process.kill()
    process.wait()
    assert port != 4001


def test_a_machine_that_ends_while_booting_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, monkeypatch, "Kernel panic - not syncing", 0, ())
    with pytest.raises(DeviceError, match="ended while booting:\nKernel panic"):
        qemu.boot(tmp_path, Hardware(), qemu.BOUND)


def test_a_machine_that_hangs_is_reported_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, monkeypatch, "thinking", 60, ())
    monkeypatch.setattr(qemu, "_BOOT_SECONDS", 1.0)
    with pytest.raises(DeviceError, match="not up after 1 s:\nthinking"):
        qemu.boot(tmp_path, Hardware(), qemu.BOUND)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in running


def test_status_and_stop_of_nothing_say_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "running_machines", list)
    monkeypatch.setattr(service, "halt", lambda _: [])
    assert main(["status"]) == 0
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "nothing is running\nnothing was running\n"
