"""The script that builds environments on the device, called as a device's own Python calls it."""

from __future__ import annotations

import ast
import fcntl
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from edgeguard import __version__
from edgeguard.fleet.remote import environment
from tests.fleet.boards import fake_wheels, own_python_first

WANTED = ["pip", f"edgeguard=={__version__}"]
REMOTE = Path(environment.__file__).parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PATH", own_python_first())
    (tmp_path / "edgeguard").mkdir()
    return str(tmp_path / "edgeguard")


def test_facts_decide_which_wheels_fit() -> None:
    found = environment.main({"op": "facts", "directory": "edgeguard"}, io.BytesIO())
    assert found["python"] == list(sys.version_info[:2])
    assert found["machine"] == os.uname().machine
    assert found["bits"] == (64 if sys.maxsize > 2**32 else 32)
    name, _, version = os.confstr("CS_GNU_LIBC_VERSION").partition(" ")  # type: ignore[union-attr]
    assert (name, ".".join(map(str, found["glibc"]))) == ("glibc", version)


def test_an_environment_is_named_after_wheels_python_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    name = environment.identifier("a")
    assert name == environment.identifier("a") != environment.identifier("b")
    monkeypatch.setattr(environment.platform, "machine", lambda: "riscv64")
    assert environment.identifier("a") != name


def test_it_is_built_once(root: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wheels = str(fake_wheels(tmp_path / "wheels"))
    name = environment.identifier("a")
    assert not environment.usable(root, name)
    assert environment.build(root, "a", wheels, WANTED, False) == {"identifier": name, "built": True}
    assert environment.usable(root, name)
    assert "making a virtual environment" in capfd.readouterr().err
    assert environment.build(root, "a", wheels, WANTED, False) == {"identifier": name, "built": False}


def test_an_environment_whose_python_is_gone_is_not_usable(root: str, tmp_path: Path) -> None:
    """So it is after an upgrade of the system."""
    built = environment.build(root, "a", str(fake_wheels(tmp_path / "wheels")), WANTED, False)
    python = Path(root, "env/versions", built["identifier"], "bin/python")
    python.unlink()
    python.symlink_to("/nonexistent/python3.9")
    assert not environment.usable(root, built["identifier"])
    assert environment.build(root, "a", str(tmp_path / "wheels"), WANTED, False)["built"]


LIT = ["pip", f"edgeguard[litert]=={__version__}"]


def test_an_engine_that_is_asked_for_is_tried(
    root: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = str(fake_wheels(tmp_path / "wheels"))
    assert environment.build(root, "a", wheels, WANTED, False)["built"]
    assert "trying ai-edge-litert" not in capfd.readouterr().err
    assert environment.build(root, "b", wheels, LIT, False)["built"]
    assert "trying ai-edge-litert" in capfd.readouterr().err
    needed = {}
    monkeypatch.setattr(environment, "_check_room", lambda _, spare: needed.setdefault(len(needed), spare))
    for name, wanted in (("c", WANTED), ("d", LIT)):
        environment.build(root, name, wheels, wanted, False)
    assert needed[1] > needed[0] > 200 << 20


def test_an_engine_that_kills_python_is_named(root: str, tmp_path: Path) -> None:
    wheels = str(fake_wheels(tmp_path / "wheels", "unlit"))
    assert environment.build(root, "a", wheels, WANTED, False)["built"]
    with pytest.raises(environment.Refused, match="ai-edge-litert uses instructions that this CPU lacks"):
        environment.build(root, "b", wheels, LIT, False)
    assert not environment.usable(root, environment.identifier("b"))


def test_wheels_by_path_keep_their_extras(tmp_path: Path) -> None:
    wheels = fake_wheels(tmp_path / "wheels", "numpy")
    found = [Path(path).name for path in environment._by_path(str(wheels), LIT)]
    assert found == [
        f"edgeguard-{__version__}-py3-none-any.whl[litert]",
        f"numpy-{__version__}-py3-none-any.whl",
        "pip-1-py3-none-any.whl",
    ]
    assert not any("[" in path for path in environment._by_path(str(wheels), WANTED))


def test_formats_in_use_are_those_of_current_versions(root: str) -> None:
    for name, manifest in (("a", '{"model": {"format": "tflite"}}'), ("b", '{"model": 3}'), ("c", "{"), ("d", None)):
        version = Path(root, "artifacts", name, "versions/1")
        version.mkdir(parents=True)
        version.joinpath("../../current").symlink_to("versions/1")
        if manifest is not None:
            (version / "manifest.json").write_text(manifest)
    assert environment.formats(root) == ["tflite"]
    asked = environment.main({"op": "facts", "directory": root}, io.BytesIO())
    assert asked["formats"] == ["tflite"]


def test_without_pip_nothing_can_be_installed(root: str, tmp_path: Path) -> None:
    wheels = fake_wheels(tmp_path / "wheels")
    next(wheels.glob("pip-*")).unlink()
    with pytest.raises(environment.Refused, match="no pip among the wheels"):
        environment.build(root, "a", str(wheels), WANTED, False)
    assert os.listdir(Path(root, "env/versions")) == []


def test_a_full_disk_is_told_before_it_is_begun(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = os.statvfs(root)
    small = os.statvfs_result((*disk[:4], 200, *disk[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: small)
    with pytest.raises(environment.Refused, match="disk is full"):
        environment.build(root, "a", str(fake_wheels(tmp_path / "wheels")), WANTED, False)


def test_two_builds_do_not_meet(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = str(fake_wheels(tmp_path / "wheels"))
    os.makedirs(Path(root, "env"))
    with Path(root, "env/.build").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(environment, "_PATIENCE", 0.1)
        with pytest.raises(environment.Refused, match="another deploy builds"):
            environment.build(root, "a", wheels, WANTED, False)
        monkeypatch.setattr(environment, "_PATIENCE", 60)
        threading.Timer(0.5, fcntl.flock, (lock, fcntl.LOCK_UN)).start()
        assert environment.build(root, "a", wheels, WANTED, False)["built"]


def test_artifacts_in_use_are_listed(root: str) -> None:
    for name in ("door", "window"):
        place = Path(root, "artifacts", name)
        (place / "versions/1").mkdir(parents=True)
        (place / "current").symlink_to("versions/1")
    Path(root, "artifacts/unused").mkdir()
    assert environment.users(root) == ["door", "window"]


@pytest.mark.parametrize("name", ["environment", "store"])
def test_the_scripts_need_nothing_but_an_old_python(name: str) -> None:
    tree = ast.parse((REMOTE / f"{name}.py").read_text(), feature_version=(3, 8))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]  # type: ignore[union-attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= sys.stdlib_module_names
