"""``edgeguard doctor``."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.artifacts import make_artifact
from tests.bench.machines import put
from tests.cli.inprocess import Here
from tests.fleet import fake_ssh


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Home of a device that ssh reaches: this machine, whose firmware says that all is well."""
    home = tmp_path / "device"
    home.mkdir()
    bin_directory = fake_ssh.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{bin_directory}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(fake_ssh.HOME, str(home))
    say(bin_directory / "vcgencmd", "throttled=0x0")
    return home


def say(command: Path, answer: str) -> None:
    command.write_text(f"#!/bin/sh\necho {answer}\n")
    command.chmod(0o755)


def test_this_machine(here: Here) -> None:
    done = here("doctor")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^OK +onnxruntime +\d", done.out, re.MULTILINE)
    assert re.search(r"^(warning|OK) +temperature", done.out, re.MULTILINE)
    assert done.out.splitlines()[-1].startswith("this machine: ")


def test_every_warning_is_followed_by_its_remedy(here: Here) -> None:
    lines = here("doctor").out.splitlines()
    warned = [index for index, line in enumerate(lines) if line.startswith("warning")]
    assert all(re.match(r" +-> \S", lines[index + 1]) for index in warned)
    assert len(warned) == sum(line.lstrip().startswith("->") for line in lines)


def test_a_device(here: Here, device: Path) -> None:
    done = here("doctor", "pi@raspberrypi.local", "--directory", "things")
    assert done.code == 0, done.err
    assert re.search(r"^OK +power +no under-voltage", done.out, re.MULTILINE)
    assert f"{device} can be written" in done.out
    assert list(device.iterdir()) == []
    assert done.out.splitlines()[-1].startswith("pi@raspberrypi.local: ")


def test_a_problem_is_exit_code_6_after_all_lines(here: Here, device: Path, tmp_path: Path) -> None:
    say(tmp_path / "bin/vcgencmd", "throttled=0x50005")
    done = here("doctor", "pi@there")
    assert done.code == 6
    assert re.search(r"^problem +power +under-voltage now \(0x50005\)\n +-> Use the official", done.out, re.MULTILINE)
    assert "2 problems" in done.out.splitlines()[-1]
    assert done.err.startswith("error: pi@there: power: under-voltage now")
    assert done.err.count("\n") == 1


def test_for_programs(here: Here, device: Path, tmp_path: Path) -> None:
    done = here("doctor", "pi@there", "--json")
    told = json.loads(done.out)
    assert (done.code, told["device"], told["passed"]) == (0, "pi@there", True)
    assert all((line["remedy"] is None) == (line["status"] == "ok") for line in told["lines"])
    say(tmp_path / "bin/vcgencmd", "throttled=0x1")
    done = here("doctor", "pi@there", "--json")
    told = json.loads(done.out)
    assert (done.code, told["passed"]) == (6, False)
    assert [line["name"] for line in told["lines"] if line["status"] == "problem"] == ["power"]


def test_an_artifact_is_asked_about_too(here: Here, tmp_path: Path) -> None:
    path = make_artifact(tmp_path)
    without = [line["name"] for line in json.loads(here("doctor", "--json").out)["lines"]]
    told = [line["name"] for line in json.loads(here("doctor", "--json", "--artifact", path).out)["lines"]]
    assert told[: len(without)] == without
    assert set(told[len(without) :]) == {"target", "format", "room", "model memory", "runtime"}


def test_an_artifact_that_was_tampered_with(here: Here, tmp_path: Path) -> None:
    path = make_artifact(tmp_path)
    (path / "model.onnx").write_bytes(b"")
    here("doctor", "--artifact", path).failed(4, "model.onnx")
    here("doctor", "--artifact", tmp_path / "nowhere").failed(2, "nowhere")


def test_a_device_that_cannot_be_reached(here: Here, device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fake_ssh.SAY, "ssh: connect to host there port 22: Connection refused")
    here("doctor", "pi@there").failed(6, "pi@there", "nothing listens there")


def test_a_host_that_is_none(here: Here) -> None:
    here("doctor", "pi@two words").failed(2, "no host name")


def test_names_on_the_device_cannot_steer_the_terminal(here: Here, device: Path) -> None:
    put(device, {"edgeguard/artifacts/a\x1b[31mb/versions/aa/manifest.json": "{}"})
    (device / "edgeguard/artifacts/a\x1b[31mb/current").symlink_to("versions/aa")
    out = here("doctor", "pi@there").out
    assert "[31mb aa" in out
    assert "\x1b" not in out
