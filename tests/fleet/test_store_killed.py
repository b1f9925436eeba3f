"""The device's store, killed at calls that touch the file system: at every single one in the long run."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.crashing import killed_at
from tests.fleet.stores import Version, bring, intact

OLDER = Version(model=b"older", golden=b"golden", manifest=b"0")
OLD = Version(model=b"old", golden=b"golden", manifest=b"1")
NEW = Version(model=b"new", golden=b"golden", manifest=b"2", labels=b"abc")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """In memory where there is such a place: flushing to a disk takes most of the time, and matters to no process."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as path:
        yield Path(path)


def put(root: Path, original: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    if original.is_dir():
        shutil.copytree(original, root, symlinks=True)


# Calls from one kill to the next.
EVERY = pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])


@EVERY
@pytest.mark.parametrize("before", [(), (OLD,), (OLDER, OLD)], ids=["first", "second", "third"])
def test_at_every_moment_the_old_or_the_new_version_is_current(
    scratch: Path, before: tuple[Version, ...], step: int
) -> None:
    root, original = scratch / "model", scratch / "original"
    for version in before:
        bring(original, version)
    earlier = before[-1].name if before else None
    states = []
    for event in itertools.count(1, step):
        put(root, original)
        if not killed_at(event, lambda _: bring(root, NEW) and None):
            break
        states.append(intact(root, *before, NEW))
        assert states[-1] in (earlier, NEW.name)
        if states[-1] == NEW.name and before:
            assert (root / "previous").resolve().name == earlier
        bring(root, NEW)
        assert intact(root, *before, NEW) == NEW.name
        assert not [path for path in (root / "versions").iterdir() if path.name.startswith(".")]
    # Killed before and after the one rename that decides, and never back again.
    assert set(states) == {earlier, NEW.name}
    assert states == sorted(states, key=lambda state: state == NEW.name)
    assert event > 50


@EVERY
def test_a_repair_never_makes_it_worse(scratch: Path, step: int) -> None:
    root, original = scratch / "model", scratch / "original"
    bring(original, OLD)
    (original / "current" / "golden.bin").chmod(0o600)
    (original / "current" / "golden.bin").write_bytes(b"GOLDEN")
    for event in itertools.count(1, step):
        put(root, original)
        if not killed_at(event, lambda _: bring(root, OLD) and None):
            break
        found = {path.name: path.read_bytes() for path in (root / "current").iterdir()}
        assert found in (OLD.content, {**OLD.content, "golden.bin": b"GOLDEN"})
        bring(root, OLD)
        assert intact(root, OLD) == OLD.name
    assert event > 30
