"""The emulated device itself: what boots, what it offers, what it keeps and what it cannot reach."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_tests.emulator import CORES, Machine, build, service, start
from edgeguard.errors import DeviceError

pytestmark = pytest.mark.device
ROOT = Path(__file__).resolve().parents[2]

# Instructions of a fixed loop in user space, counted by the PMU: perf_event_open, one event, kernel excluded.
COUNT = """
import ctypes, fcntl, json, os, struct
libc = ctypes.CDLL(None, use_errno=True)
attributes = ctypes.create_string_buffer(struct.pack("<IIQQQQQ", 0, 128, 1, 0, 0, 0, 1 | 1 << 5 | 1 << 6), 128)
event = libc.syscall(241, attributes, 0, -1, -1, 0)
if event < 0:
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def workload():
    total = 0
    for number in range(20_000):
        total += number * number % 7
    return total
counts = []
for _ in range(5):
    fcntl.ioctl(event, 0x2403)
    fcntl.ioctl(event, 0x2400)
    workload()
    fcntl.ioctl(event, 0x2401)
    counts.append(struct.unpack("<Q", os.read(event, 8))[0])
print(json.dumps(counts))
"""


@pytest.fixture(scope="module", params=CORES)
def machine(request: pytest.FixtureRequest, emulated: Machine) -> Iterator[Machine]:
    """One machine of each core; ``emulated`` decides whether there can be any."""
    with start(build(), core=request.param) as machine:
        yield machine


def counted(machine: Machine) -> float:
    """Median of the instructions of the workload."""
    return statistics.median(json.loads(machine.ssh("python3 -", data=COUNT.encode())))


def test_it_is_an_arm64_debian_with_a_user_called_pi(emulated: Machine) -> None:
    facts = emulated.ssh("uname -m; id -un; hostname; . /etc/os-release; echo $ID $VERSION_ID").splitlines()
    assert facts == ["aarch64", "pi", "edgeguard-device", "debian 12"]
    assert emulated.ssh("id -u", user="root").strip() == "0"
    assert emulated.ssh("echo $OPENBLAS_NUM_THREADS").strip() == "1"


def test_its_python_has_the_standard_library_and_nothing_else(emulated: Machine) -> None:
    present = "import ctypes, json, lzma, sqlite3, ssl, sys, venv; print(*sys.version_info[:2])"
    assert emulated.ssh(f"python3 -I -c '{present}'").split() == ["3", "11"]
    for name in ("pip", "numpy", "onnxruntime"):
        with pytest.raises(DeviceError, match="No module named"):
            emulated.ssh(f"python3 -I -c 'import {name}'")


def test_its_home_belongs_to_pi_and_all_else_to_root(emulated: Machine) -> None:
    assert emulated.ssh("stat -c '%U:%G %a' ~ ~/.ssh ~/.ssh/authorized_keys").split() == [
        *("pi:pi", "755"),
        *("pi:pi", "700"),
        *("pi:pi", "600"),
    ]
    strangers = "find / -xdev ! -user root ! -path '/home/*' ! -path '/tmp/*' | head"
    assert emulated.ssh(strangers, user="root") == ""


def test_the_library_is_compiled_like_debians(emulated: Machine) -> None:
    loaded = emulated.ssh("python3 -I -v -c 'import json' 2>&1")
    assert "json/__pycache__/__init__.cpython-311.pyc matches" in loaded
    assert "wrote" not in loaded


def test_each_core_is_what_it_is_called(machine: Machine) -> None:
    cpuinfo = machine.ssh("cat /proc/cpuinfo")
    parts = {"cortex-a53": "0xd03", "cortex-a72": "0xd08", "cortex-a76": "0xd0b"}
    assert f"CPU part\t: {parts[machine.core]}" in cpuinfo
    features = cpuinfo.partition("Features")[2].splitlines()[0].split()
    assert "asimd" in features
    assert ("asimddp" in features) == (machine.core == "cortex-a76")


def test_instruction_counts_repeat_from_boot_to_boot(machine: Machine) -> None:
    first = counted(machine)
    machine.power_off()
    machine.power_on()
    assert first > 1_000_000
    assert counted(machine) == pytest.approx(first, rel=0.001)


def test_the_clock_counts_instructions(emulated: Machine) -> None:
    """One instruction is one nanosecond, so a duration repeats however busy the host is."""
    script = (
        "import time; w = lambda: sum(range(200_000))\n"
        "def once():\n a = time.perf_counter_ns(); w(); return time.perf_counter_ns() - a\n"
        "print(*sorted(once() for _ in range(9)))"
    )
    times = [int(word) for word in emulated.ssh("python3 -I -", data=script.encode()).split()]
    assert times[len(times) // 2] == pytest.approx(times[1], rel=0.02)


def test_a_power_cut_keeps_what_was_synced_and_loses_what_was_not(emulated: Machine) -> None:
    emulated.ssh("mkdir -p ~/cut && echo kept > ~/cut/synced && sync && echo lost > ~/cut/unsynced")
    emulated.power_off()
    with pytest.raises(DeviceError, match="ssh failed"):
        emulated.ssh("true")
    emulated.power_on()
    assert emulated.ssh("cat ~/cut/synced") == "kept\n"
    assert emulated.ssh("cat ~/cut/unsynced 2>/dev/null || true") == ""
    emulated.ssh("rm -r ~/cut")


def test_machines_do_not_share_a_disk(emulated: Machine) -> None:
    emulated.ssh("echo mine > ~/own && sync")
    with start(build(), core="cortex-a53", memory_mib=256) as other:
        assert other.ssh("ls ~/own 2>/dev/null || echo none") == "none\n"
        assert other.port != emulated.port
        assert int(other.ssh("awk '/MemTotal/ {print $2}' /proc/meminfo")) < 256 * 1024
        directory = other.directory
    assert not directory.exists()
    emulated.ssh("rm ~/own")


@pytest.fixture
def routed(emulated: Machine) -> Iterator[Machine]:
    """With a way out, as far as the guest knows: without one nothing would answer anyway."""
    emulated.ssh("busybox route add default gw 10.0.2.2", user="root")
    yield emulated
    emulated.ssh("busybox route del default", user="root")


@pytest.mark.parametrize("address", ["10.0.2.2", "10.0.2.3", "1.1.1.1"])
def test_nothing_outside_answers(routed: Machine, address: str) -> None:
    """Not the host, which QEMU shows as 10.0.2.2 and whose forwarded port is certainly open, nor what lies beyond."""
    script = f"""
import socket
for port in (22, 53, 443, {routed.port}):
    try:
        socket.create_connection(("{address}", port), 0.5).close()
        print("reached", port)
    except OSError:
        pass
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.settimeout(0.5)
resolver.connect(("{address}", 53))
resolver.send(bytes.fromhex("000101000001000000000000") + b"\\x06debian\\x03org\\0\\0\\1\\0\\1")
try:
    print("resolved", resolver.recv(512))
except OSError:
    pass
"""
    assert routed.ssh("python3 -I -", data=script.encode()) == ""


def test_sshd_comes_back_when_it_is_killed(emulated: Machine) -> None:
    """Tests of dropped connections kill it."""
    with pytest.raises(DeviceError):
        emulated.ssh("pkill sshd", user="root")
    deadline = time.monotonic() + 30
    while True:
        try:
            assert emulated.ssh("echo back") == "back\n"
            break
        except DeviceError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_machine_dies_with_the_process_that_started_it(emulated: Machine) -> None:
    script = (
        "from device_tests.emulator import build, start; m = start(build()); print(m.pid, m.directory, flush=True); "
    )
    command = [sys.executable, "-c", script + "input()"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, directory = process.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        process.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert Path(directory).exists()
    with start(build()):
        assert not Path(directory).exists()


def test_a_device_that_make_starts_outlives_the_command(emulated: Machine, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(build().directory.parent)
    script = "import sys, pathlib; from device_tests.emulator.service import launch; "
    script += "launch('cortex-a53', pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    try:
        running = service.running_machine("cortex-a53", tmp_path)
        assert running is not None
        running.connection.ssh("touch ~/here")
        subprocess.run(command, cwd=ROOT, check=True)
        assert service.running_machine(directory=tmp_path) == running
        running.connection.ssh("rm ~/here")
    finally:
        assert len(service.halt(directory=tmp_path)) == 1
    assert service.running_machine(directory=tmp_path) is None


def test_a_machine_that_does_not_boot_shows_its_console(emulated: Machine) -> None:
    with start(build()) as machine:
        machine.power_off()
        (machine.directory / "disk.ext4").write_bytes(b"\0" * (1 << 20))
        with pytest.raises(DeviceError, match="EDGEGUARD-FAILED cannot mount the disk"):
            machine.power_on()
        assert not machine.running
