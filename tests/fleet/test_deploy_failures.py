"""What goes wrong on the way to a device: each time the cause is named, and the previous version goes on answering."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeguard.errors import DeviceError
from edgeguard.fleet.address import Address
from edgeguard.fleet.ssh import Ssh
from tests.fleet import fake_ssh
from tests.fleet.boards import Board, Wrapped, version_of

CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Host key verification failed."""


@pytest.fixture
def by_ssh(used: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """The same, behind the stand-in for ssh."""
    monkeypatch.setenv("PATH", f"{fake_ssh.install(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(fake_ssh.HOME, str(used.home))
    with Ssh(Address("pi", "board.local", None)) as ssh:
        yield used.through(ssh)


def refused(board: Board, artifact: Path, cause: str) -> None:
    """The deploy fails for this cause, with exit code 6, and leaves nothing half done."""
    with pytest.raises(DeviceError, match=cause) as it:
        board.deploy(artifact)
    assert it.value.exit_code == 6
    assert it.value.where == board.transport.name
    assert [path.name for path in (board.place / "versions").iterdir() if "incoming" in path.name] == []


def still(board: Board, first: Path, second: Path) -> None:
    """The first one still verifies and answers, and the next deploy succeeds."""
    assert board.answering() == version_of(first)
    assert board.deploy(second).changed
    assert board.answering() == version_of(second)


@dataclass(frozen=True)
class _Flipping(Wrapped):
    """Flips one bit of what follows the script and the request."""

    def fed(self, stdin: Iterable[bytes]) -> Iterable[bytes]:
        for count, chunk in enumerate(stdin):
            yield bytes([chunk[0] ^ 1]) + chunk[1:] if count == 3 else chunk


def test_a_byte_that_changes_in_transit(used: Board, first: Path, second: Path) -> None:
    refused(used.through(_Flipping(used.transport)), second, "arrived damaged: its digest differs")
    still(used, first, second)


@dataclass(frozen=True)
class _Cramped(Wrapped):
    """A device on which no file can grow beyond a few kB: the kernel refuses to write on, as on a full disk."""

    def instead(self, command: Sequence[str]) -> Sequence[str]:
        # SIGXFSZ ignored, the call fails; what a full disk says instead is put in the error's place.
        limited = (
            "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); os.execvp(sys.argv[1], sys.argv[1:])"
        )
        return ["python3", "-c", limited, *command]


def test_a_write_that_fails_half_way(used: Board, first: Path, second: Path) -> None:
    refused(used.through(_Cramped(used.transport)), second, "File too large")
    still(used, first, second)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_a_full_disk(used: Board, first: Path, second: Path, tmp_path: Path) -> None:
    """A disk of its own for the versions, with room for half a model."""
    versions = used.place / "versions"
    kept = tmp_path / "kept"
    subprocess.run(["cp", "-a", f"{versions}/.", str(kept)], check=True)
    size = (second / "model.onnx").stat().st_size
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3M", "edgeguard", str(versions)], check=False)
    if mounted.returncode:
        pytest.skip("this root may not mount")
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(versions)], check=True)
        filler = versions / ".filler"
        disk = os.statvfs(versions)
        filler.write_bytes(bytes(disk.f_bavail * disk.f_frsize - size // 2))
        # The disk on which the place lies has room; this one fills in the middle of the model.
        refused(used, second, r"its disk is full\. Make room")
        assert used.answering() == version_of(first)
        filler.unlink()
        used.deploy(second)
        assert used.answering() == version_of(second)
    finally:
        subprocess.run(["umount", "-l", str(versions)], check=True)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (CHANGED, "host key is not the one that is known"),
        ("No ED25519 host key is known for board.local and you have requested strict checking.", "host key is unknown"),
        ("pi@board.local: Permission denied (publickey).", "lets nobody in with these keys"),
        ("ssh: connect to host board.local port 22: Connection timed out", "does not answer"),
        ("ssh: connect to host board.local port 22: Connection refused", "nothing listens there"),
    ],
)
def test_an_ssh_that_does_not_get_there(
    by_ssh: Board, first: Path, second: Path, monkeypatch: pytest.MonkeyPatch, said: str, cause: str
) -> None:
    monkeypatch.setenv(fake_ssh.SAY, said)
    refused(by_ssh, second, cause)
    monkeypatch.delenv(fake_ssh.SAY)
    assert by_ssh.answering() == version_of(first)


@pytest.mark.parametrize("after", [100, 14_000, 16_000, 30_000])
def test_a_connection_that_breaks(
    by_ssh: Board, first: Path, second: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setenv(fake_ssh.CUT, str(after))
    refused(by_ssh, second, "the connection broke")
    monkeypatch.delenv(fake_ssh.CUT)
    still(by_ssh, first, second)


def test_a_second_deploy_at_the_same_time(used: Board, first: Path, second: Path) -> None:
    script = (
        "import fcntl, sys; lock = open(sys.argv[1], 'a'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(used.place / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        try:
            refused(used.through(_Impatient(used.transport)), second, "another deploy is at work there")
        finally:
            other.stdin.close()
    still(used, first, second)


@dataclass(frozen=True)
class _Impatient(Wrapped):
    """Does not wait for locks."""

    def fed(self, stdin: Iterable[bytes]) -> Iterable[bytes]:
        return (chunk.replace(b"_PATIENCE = 45", b"_PATIENCE = 00") for chunk in stdin)


def test_a_directory_that_is_not_ours(used: Board, first: Path, second: Path) -> None:
    """No process of root's is refused by permissions: a place that is no directory is refused to everybody."""
    lock = used.place / ".lock"
    lock.unlink()
    lock.mkdir()
    refused(used, second, "Is a directory")
    lock.rmdir()
    still(used, first, second)


def test_a_device_without_python(used: Board, first: Path, second: Path) -> None:
    refused(used.through(_NoPython(used.transport)), second, "there is no python3 on it")
    still(used, first, second)


@dataclass(frozen=True)
class _NoPython(Wrapped):
    """A shell that does not find it."""

    def instead(self, _: Sequence[str]) -> Sequence[str]:
        return ["sh", "-c", "exit 127"]
