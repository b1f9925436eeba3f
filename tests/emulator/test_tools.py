"""What is missing on a machine is named, with what brings it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from device_tests.emulator import tools
from device_tests.emulator.sources import Source

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = Source("http://mirror.example/debian", ("bookworm",), ("main",))
PRESENT = (*tools.PROGRAMS, "apt-get", "dpkg-deb")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a Debian source and all programs in one directory, which is returned."""
    for name in PRESENT:
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "_ADMIN", str(tmp_path))
    monkeypatch.setattr(tools, "host_sources", lambda: [DEBIAN])
    return tmp_path


def test_a_machine_with_everything_needs_nothing(machine: Path) -> None:
    assert tools.missing_tools() is None
    assert tools.install() == []


def test_missing_programs_are_named_with_the_command_that_brings_them(machine: Path) -> None:
    for name in ("qemu-system-aarch64", "mke2fs", "debugfs"):
        (machine / name).unlink()
    reason = tools.missing_tools()
    assert reason is not None
    assert "needs qemu-system-aarch64, mke2fs, debugfs" in reason
    assert reason.endswith("apt-get install --yes --no-install-recommends e2fsprogs qemu-system-arm")
    assert "\n" not in reason


@pytest.mark.parametrize("program", ["apt-get", "dpkg-deb"])
def test_a_machine_without_debians_tools_is_told_so(machine: Path, program: str) -> None:
    (machine / program).unlink()
    assert f"this machine has no {program}" in (tools.missing_tools() or "")


def test_a_machine_without_a_debian_archive_is_told_so(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "host_sources", lambda: [Source("http://mirror.example/ubuntu", ("noble",), ("main",))])
    assert "sources is Debian's" in (tools.missing_tools() or "")


def test_only_root_installs(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "mcopy").unlink()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(tools.Unavailable, match="needs mcopy; as root: make device-tools"):
        tools.install()


def test_root_installs_what_is_missing_and_no_more(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "mcopy").unlink()
    (machine / "apt-get").write_text(
        f'#!/bin/sh\necho "$@" >> {machine}/calls\ncase "$*" in *mtools*) echo > {machine}/mcopy;'
        f" /bin/chmod 755 {machine}/mcopy;; esac\n"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert tools.install() == ["mcopy"]
    assert (machine / "calls").read_text() == "--quiet update\ninstall --yes --no-install-recommends mtools\n"


def test_a_failing_installation_is_reported(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "mcopy").unlink()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(tools.Unavailable, match="`apt-get --quiet update` failed"):
        tools.install()


def test_device_tests_skip_with_the_reason(tmp_path: Path) -> None:
    """In a process that finds no programs at all."""
    (tmp_path / "conftest.py").write_text("from device_tests.emulator.fixtures import emulated\n")
    (tmp_path / "test_it.py").write_text("def test_it(emulated): raise AssertionError\n")
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from device_tests.emulator import tools; tools._ADMIN = ''\nimport pytest, sys\n"]
    command[-1] += f"sys.exit(pytest.main(['-rs', '-p', 'no:cacheprovider', {str(tmp_path)!r}]))"
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    assert "this machine has no apt-get" in done.stdout
