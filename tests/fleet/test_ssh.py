"""The way over ssh: how it is called, and what its failures are called."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from edgeguard.errors import DeviceError, UsageError
from edgeguard.fleet.address import parse_address
from edgeguard.fleet.ssh import UNATTENDED, Ssh
from tests.fleet import fake_ssh


def test_a_command_runs_there_with_its_words_intact(home: Path) -> None:
    with Ssh(parse_address("pi@device:2222")) as ssh:
        done = ssh.run(["printf", "%s|", "a b", "$HOME", "'\"", "*"], timeout=30)
    assert (done.code, done.stdout) == (0, b"a b|$HOME|'\"|*|")


def test_it_is_reached_as_the_address_and_the_options_say(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv(fake_ssh.LOG, str(log))
    config = tmp_path / "config"
    config.touch()
    with Ssh(parse_address("pi@device:2222"), config, UNATTENDED) as ssh:
        ssh.run(["true"], timeout=30)
    run, closed = (ast.literal_eval(line) for line in log.read_text().splitlines())
    assert run[run.index("-F") + 1] == str(config)
    assert run[-7:] == ["-p", "2222", "-l", "pi", "device", "--", "true"]
    assert "BatchMode=yes" in run
    assert closed[-7:] == ["-O", "exit", "-p", "2222", "-l", "pi", "device"]
    (socket,) = {word for words in (run, closed) for word in words if word.startswith("ControlPath=")}
    assert not Path(socket.removeprefix("ControlPath=")).parent.exists()


def test_the_exit_code_of_the_command_comes_back_with_the_end_of_its_stderr(home: Path) -> None:
    with Ssh(parse_address("device")) as ssh:
        done = ssh.run(["sh", "-c", "for i in $(seq 300); do echo $i >&2; done; exit 7"], timeout=30)
    assert done.code == 7
    assert done.stderr.splitlines() == [str(number) for number in range(101, 301)]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
            ("host key is not the one that is known", "ssh-keygen -R device"),
        ),
        ("Host key verification failed.", ("host key is unknown", "Connect once by hand")),
        ("No ED25519 host key is known for x and you have requested strict checking.", ("host key is unknown",)),
        ("pi@device: Permission denied (publickey,password).", ("lets nobody in", "ssh-copy-id")),
        ("ssh: Could not resolve hostname device: Name or service not known", ("its name is unknown",)),
        ("ssh: connect to host device port 22: Connection refused", ("nothing listens there",)),
        ("ssh: connect to host device port 22: No route to host", ("does not answer", "switched on")),
        ("ssh: connect to host device port 22: Connection timed out", ("does not answer",)),
        ("Timeout, server device not responding.", ("does not answer",)),
        ("client_loop: send disconnect: Broken pipe", ("the connection broke", "client_loop")),
        ("/x/config: line 1: Bad configuration option: nonsense", ("configuration is wrong",)),
    ],
)
def test_what_ssh_says_becomes_a_cause_and_a_remedy(
    home: Path, monkeypatch: pytest.MonkeyPatch, said: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv(fake_ssh.SAY, said)
    with Ssh(parse_address("pi@device")) as ssh, pytest.raises(DeviceError) as caught:
        ssh.run(["true"], timeout=30)
    for word in ("pi@device: ", *words):
        assert word in str(caught.value)


def test_a_connection_that_breaks_in_the_middle_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fake_ssh.CUT, "100000")
    with Ssh(parse_address("pi@device")) as ssh, pytest.raises(DeviceError, match="the connection broke"):
        ssh.run(["sh", "-c", "cat > arrived; sleep 60"], stdin=[b"x" * 65536] * 10, timeout=30)


def test_without_a_client_or_the_configuration_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such ssh configuration"):
        Ssh(parse_address("device"), tmp_path / "absent")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="apt install openssh-client"):
        Ssh(parse_address("device"))
