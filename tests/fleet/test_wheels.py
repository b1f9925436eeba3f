"""Wheels for a device: which fit, which versions, where they are kept; and edgeguard's own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgeguard import __version__
from edgeguard.errors import DeviceError, UsageError
from edgeguard.fleet import own_wheel as building
from edgeguard.fleet import wheels as fetching
from edgeguard.fleet.deploy_environment import fetched_once
from edgeguard.fleet.own_wheel import own_wheel
from edgeguard.fleet.wheels import DevicePython, Wheels, cache_directory, fetch_wheels, wheels_in
from tests.fleet.boards import Silent, fake_wheels

PI = DevicePython((3, 11), "aarch64", 64, (2, 36))


def wheel(directory: Path, name: str, tags: str = "py3-none-any", requires: str = "") -> None:
    """A wheel that pip accepts."""
    package, version = name.split("-")
    info = f"{package}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(directory / f"{name}-{tags}.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{needs}")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that the real pip finds: an index of two needed packages, for devices of several kinds."""
    place = tmp_path / "index"
    place.mkdir()
    for name, tags in (
        ("pip-99.0", "py3-none-any"),
        ("runtime-1.0", "cp311-cp311-manylinux_2_28_aarch64"),
        ("runtime-1.1", "cp311-cp311-manylinux_2_28_aarch64"),
        ("runtime-1.2", "cp311-cp311-manylinux_2_39_aarch64"),
        ("runtime-1.3", "cp312-cp312-manylinux_2_28_aarch64"),
        ("runtime-1.4", "cp311-cp311-manylinux_2_28_x86_64"),
        ("helper-2.0", "cp36-abi3-manylinux2014_aarch64"),
    ):
        wheel(place, name, tags, "helper" if name.startswith("runtime") else "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching.metadata, "requires", lambda _: ["runtime>=1", 'torch; extra == "export"'])
    monkeypatch.setattr(fetching, "own_wheel", lambda _: next(fake_wheels(tmp_path / "own").glob("edgeguard-*")))
    return place


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """What is installed beside this edgeguard."""
    found = [SimpleNamespace(name=name, version=version) for name, version in versions.items()]
    monkeypatch.setattr(fetching.metadata, "distributions", lambda: found)


def names(wheels: Wheels) -> list[str]:
    return ["-".join(path.name.split("-")[:2]) for path in wheels.files]


def test_the_versions_that_are_installed_here_are_taken(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, runtime="1.0+cpu", pip="23.0", unrelated="7")
    reporter = Silent()
    found = fetch_wheels(PI, dependencies=True, reporter=reporter)
    assert names(found) == [f"edgeguard-{__version__}", "helper-2.0", "pip-99.0", "runtime-1.0"]
    assert found.complete
    assert reporter.warnings == []


def test_where_the_device_has_no_such_version_what_fits_is_taken(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, runtime="1.4")
    reporter = Silent()
    assert "runtime-1.1" in names(fetch_wheels(PI, dependencies=True, reporter=reporter))
    assert [text for text in reporter.warnings if "not tested with runtime 1.1" in text]


def test_what_was_fetched_is_kept(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, runtime="1.0")
    first = fetch_wheels(PI, dependencies=True, reporter=Silent())
    for path in index.iterdir():
        path.unlink()
    monkeypatch.setattr(fetching, "own_wheel", lambda _: first.files[0])
    assert fetch_wheels(PI, dependencies=True, reporter=Silent()).digest == first.digest
    with pytest.raises(UsageError, match="cannot fetch the wheels"):
        fetch_wheels(DevicePython((3, 12), "aarch64", 64, (2, 36)), dependencies=True, reporter=Silent())
    kept = cache_directory() / "wheels"
    assert [path.name for path in (kept / "3.12-aarch64").iterdir()] == []


def test_with_the_devices_own_index_only_two_are_carried(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, runtime="1.0")
    found = fetch_wheels(PI, dependencies=False, reporter=Silent())
    assert names(found) == [f"edgeguard-{__version__}", "pip-99.0"]
    assert not found.complete


def test_devices_that_are_alike_share_what_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[DevicePython] = []

    def fetch(device: DevicePython, **_: Any) -> Wheels:
        asked.append(device)
        return Wheels((), complete=True)

    monkeypatch.setattr("edgeguard.fleet.deploy_environment.fetch_wheels", fetch)
    source = fetched_once(dependencies=True)
    other = DevicePython((3, 13), "aarch64", 64, (2, 41))
    for device in (PI, other, PI, other):
        source(device, (), Silent())
    assert asked == [PI, other]
    for _ in range(2):
        source(PI, ("litert",), Silent())
    assert asked == [PI, other, PI]


@pytest.mark.parametrize(
    ("device", "cause"),
    [
        (DevicePython((3, 9), "aarch64", 64, (2, 31)), "its Python is 3.9"),
        (DevicePython((3, 11), "aarch64", 32, (2, 36)), "its userland is 32-bit"),
        (DevicePython((3, 11), "armv7l", 32, (2, 36)), "its userland is 32-bit"),
        (DevicePython((3, 11), "riscv64", 64, (2, 36)), "no onnxruntime"),
        (DevicePython((3, 11), "aarch64", 64, None), "not glibc"),
    ],
)
def test_devices_without_wheels_are_refused(device: DevicePython, cause: str) -> None:
    with pytest.raises(DeviceError, match=cause):
        device.require_wheels("board")
    PI.require_wheels("board")


def test_a_directory_of_wheels_is_taken_as_it_is(tmp_path: Path) -> None:
    found = wheels_in(fake_wheels(tmp_path / "wheels", "other"))
    assert names(found) == [f"edgeguard-{__version__}", f"other-{__version__}", "pip-1"]
    assert found.complete


@pytest.mark.parametrize("missing", ["edgeguard", "pip"])
def test_without_edgeguard_or_pip_it_is_no_use(tmp_path: Path, missing: str) -> None:
    wheels = fake_wheels(tmp_path / "wheels")
    next(wheels.glob(f"{missing}-*")).unlink()
    with pytest.raises(UsageError, match=f"no wheel of {missing}"):
        wheels_in(wheels)
    with pytest.raises(UsageError, match="no such directory"):
        wheels_in(tmp_path / "none")


def test_the_digest_is_of_names_contents_and_completeness(tmp_path: Path) -> None:
    found = wheels_in(fake_wheels(tmp_path / "a"))
    same = wheels_in(fake_wheels(tmp_path / "b"))
    other = wheels_in(fake_wheels(tmp_path / "c", "other"))
    assert found.digest == same.digest
    assert len({found.digest, other.digest, Wheels(found.files, complete=False).digest}) == 3


def test_an_extra_brings_its_wheels_and_another_environment(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, runtime="1.0")
    wheel(index, "lit-2.1", "cp311-cp311-manylinux_2_28_aarch64")
    monkeypatch.setattr(fetching.metadata, "requires", lambda _: ["runtime>=1", 'lit>=2; extra == "litert"'])
    plain = fetch_wheels(PI, dependencies=True, reporter=Silent())
    monkeypatch.setattr(fetching, "own_wheel", lambda _: plain.files[0])
    more = fetch_wheels(PI, dependencies=True, reporter=Silent(), extras=("litert",))
    assert set(names(more)) - set(names(plain)) == {"lit-2.1"}
    assert (plain.extras, more.extras) == ((), ("litert",))
    # With the same files, too: what is installed of them decides.
    assert replace(plain, extras=("litert",)).digest != plain.digest


def test_the_requirements_of_an_extra_are_those_of_the_package() -> None:
    wanted = fetching._device_requirements(("litert",))
    assert [line for line in wanted if line.startswith("ai-edge-litert")] == ["ai-edge-litert>=2.0"]
    assert set(fetching._device_requirements(())) < set(wanted)


def test_the_requirements_are_those_without_extras() -> None:
    wanted = fetching._device_requirements(())
    assert not any("litert" in line for line in wanted)
    assert any(line.startswith("onnxruntime") for line in wanted)
    assert not any(line.startswith(("torch", "onnx>", "onnxscript")) for line in wanted)


@pytest.mark.slow
def test_our_own_wheel_is_that_of_the_checkout_and_equal_each_time(tmp_path: Path) -> None:
    first, second = own_wheel(tmp_path / "a"), own_wheel(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert own_wheel(tmp_path / "a") == first
    with zipfile.ZipFile(first) as archive:
        inside = set(archive.namelist())
    assert {"edgeguard/fleet/remote/store.py", "edgeguard/runtimes/verify.py", "edgeguard/py.typed"} <= inside
    assert not [name for name in inside if name.startswith(("tests/", "device_tests/"))]


@pytest.mark.slow
def test_an_installed_wheel_is_put_together_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal to what it was, but for the order and the dates; the name may be anybody's in a package index."""
    original = own_wheel(tmp_path / "a")
    site, again = tmp_path / "site", tmp_path / "again"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, str(site), str(original)], check=True)
    (found,) = metadata.distributions(name="edgeguard", path=[str(site)])
    monkeypatch.setattr(building, "_checkout", lambda: None)
    monkeypatch.setattr(metadata, "distribution", lambda _: found)
    path = own_wheel(tmp_path / "cache")
    assert path == own_wheel(tmp_path / "cache")
    with zipfile.ZipFile(original) as before, zipfile.ZipFile(path) as after:
        names = {name for name in before.namelist() if not name.endswith(("RECORD", "/"))}
        assert {name for name in after.namelist() if not name.endswith("RECORD")} == names
        assert all(before.read(name) == after.read(name) for name in names)
    subprocess.run([*install, str(again), str(path)], check=True)


def test_without_a_record_of_the_installation_there_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_checkout", lambda: None)
    monkeypatch.setattr(metadata, "distribution", lambda _: SimpleNamespace(files=None))
    with pytest.raises(UsageError, match=r"cannot be made.*--wheels"):
        own_wheel(tmp_path)
