"""Directories appear whole or not at all, whoever is killed and whoever else writes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgeguard import staging
from edgeguard.artifact import lab_directory, open_artifact
from edgeguard.errors import OutputExists, Untrusted, UsageError
from edgeguard.export.packing import Package, publish
from edgeguard.manifest import FileFacts, Manifest, SourceFacts
from edgeguard.staging import check_free, staged_directory, write_file
from tests.artifacts import make_artifact
from tests.core.crashing import Fuse, exit_codes, in_child, killed_at

OLD, NEW = "old.onnx", "new.onnx"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A real one; what publish adds is taken away."""
    made = open_artifact(make_artifact(tmp_path_factory.mktemp("made"))).manifest
    return replace(made, files={}, lab={})


def package(manifest: Manifest, source: str) -> Package:
    """Distinguishable by the source's name and by the content of each file."""
    content = source.encode()
    return Package(
        replace(manifest, source=SourceFacts(source, "0" * 64, "onnx")),
        {"model.onnx": content * 1000, "golden.npz": content},
        {"float.onnx": content * 2000},
    )


def state(output: Path) -> str | None:
    """Whose artifact stands there, every file verified; ``None`` if there is none."""
    if not os.path.lexists(output):
        return None
    artifact = open_artifact(output)
    source = artifact.manifest.source.name
    assert artifact.model_path.read_bytes() == source.encode() * 1000
    return source


def leftovers(folder: Path) -> list[str]:
    return [entry for entry in os.listdir(folder) if ".tmp-" in entry]


def watched_publish(new: Package, output: Path) -> Callable[[Fuse], None]:
    def act(fuse: Fuse) -> None:
        staging._exchange = fuse.around(staging._exchange)
        publish(new, output, replace_existing=True)

    return act


@pytest.fixture
def unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote, a machine does: flushing is not what these tests test, and slow."""
    monkeypatch.setattr(os, "fsync", os.fstat)


@pytest.mark.slow
@pytest.mark.usefixtures("unflushed")
@pytest.mark.parametrize("before", [None, OLD], ids=["nothing-there", "old-there"])
def test_killed_at_every_filesystem_call(tmp_path: Path, manifest: Manifest, before: str | None) -> None:
    template = tmp_path / "template"
    template.mkdir()
    if before is not None:
        publish(package(manifest, before), template / "m.edgeguard", replace_existing=False)
    new = package(manifest, NEW)
    states: list[str | None] = []
    with_leftovers = 0
    while True:
        folder = tmp_path / "run"
        shutil.copytree(template, folder)
        output = folder / "m.edgeguard"
        died = killed_at(len(states) + 1, watched_publish(new, output))
        if not died:
            break
        states.append(state(output))
        if states[-1] == NEW:
            assert (lab_directory(output) / "float.onnx").read_bytes() == NEW.encode() * 2000
        with_leftovers += bool(leftovers(folder))
        publish(new, output, replace_existing=True)
        assert state(output) == NEW
        assert leftovers(folder) == []
        shutil.rmtree(folder)
    assert state(output) == NEW
    assert leftovers(folder) == []
    # Old as long as possible, then new at once: every event was met, and the exchange is one of them.
    switch = states.index(NEW)
    assert states == [before] * switch + [NEW] * (len(states) - switch)
    assert switch > 100
    assert len(states) - switch > 10
    assert with_leftovers > 100


@pytest.mark.usefixtures("unflushed")
def test_an_exchange_in_two_steps_would_be_noticed(tmp_path: Path) -> None:
    final = tmp_path / "final"

    def in_two_steps(first: Path, second: Path) -> None:
        shutil.rmtree(second)
        os.rename(first, second)

    def act(_: Fuse) -> None:
        staging._exchange = in_two_steps
        with staged_directory(final, replace_existing=True) as content:
            (content / "file").write_text("new")

    event, missing = 1, 0
    while True:
        final.mkdir(exist_ok=True)
        (final / "file").write_text("old")
        if not killed_at(event, act):
            break
        event += 1
        missing += not (final / "file").exists()
    assert missing > 0


def test_the_state_check_notices_half_an_artifact(tmp_path: Path, manifest: Manifest) -> None:
    output = tmp_path / "m.edgeguard"
    publish(package(manifest, NEW), output, replace_existing=False)
    (output / "model.onnx").write_bytes(b"half")
    with pytest.raises(Untrusted):
        state(output)
    (output / "model.onnx").unlink()
    with pytest.raises(Untrusted):
        state(output)


def test_the_old_artifact_disowns_a_newer_lab(tmp_path: Path, manifest: Manifest) -> None:
    """The lab is exchanged first; whoever is killed in between must not bench against the wrong model."""
    output = tmp_path / "m.edgeguard"
    publish(package(manifest, OLD), output, replace_existing=False)
    assert open_artifact(output).lab_file("float.onnx").read_bytes() == OLD.encode() * 2000
    (lab_directory(output) / "float.onnx").write_bytes(NEW.encode() * 2000)
    with pytest.raises(Untrusted, match=r"float\.onnx"):
        open_artifact(output).lab_file("float.onnx")


@pytest.mark.usefixtures("unflushed")
def test_a_file_killed_at_every_filesystem_call(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    seen: list[bytes] = []
    while True:
        path.write_bytes(b"old")
        if not killed_at(len(seen) + 1, lambda _: write_file(path, b"new" * 100_000)):
            break
        seen.append(path.read_bytes())
        write_file(path, b"again")
        assert path.read_bytes() == b"again"
        assert leftovers(tmp_path) == []
    switch = seen.index(b"new" * 100_000)
    assert seen == [b"old"] * switch + [b"new" * 100_000] * (len(seen) - switch)
    assert switch > 10


def test_published_facts_are_those_of_the_files(tmp_path: Path, manifest: Manifest) -> None:
    output = tmp_path / "m.edgeguard"
    written = publish(package(manifest, NEW), output, replace_existing=False)
    assert written == open_artifact(output).manifest
    assert set(written.files) == {"model.onnx", "golden.npz"}
    assert written.lab["float.onnx"] == FileFacts(written.lab["float.onnx"].sha256, 2000 * len(NEW))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m.edgeguard", "m.lab"]


def test_a_failing_block_leaves_nothing(tmp_path: Path) -> None:
    final = tmp_path / "final"

    def interrupted() -> None:
        with staged_directory(final, replace_existing=False) as content:
            (content / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_the_old_directory_stays(tmp_path: Path) -> None:
    final = tmp_path / "final"
    final.mkdir()
    (final / "old").write_text("old")

    def write_too_much() -> None:
        with staged_directory(final, replace_existing=True) as content:
            (content / "new").write_text("new")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UsageError, match="final: cannot be written: No space left"):
        write_too_much()
    assert [entry.name for entry in final.iterdir()] == ["old"]
    assert leftovers(tmp_path) == []


def test_where_nothing_may_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="parent directory does not exist"):
        check_free(tmp_path / "absent" / "final", replace_existing=True)
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(tmp_path / "absent" / "result.json", b"")
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(Path("/proc/edgeguard.json"), b"")


def test_what_is_in_the_way(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(OutputExists, match="--force"):
        check_free(taken, replace_existing=False)
    check_free(taken, replace_existing=True)
    file, link, dangling = tmp_path / "file", tmp_path / "link", tmp_path / "dangling"
    file.write_text("")
    link.symlink_to(taken)
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (file, link, dangling):
        with pytest.raises(OutputExists, match="no directory"):
            check_free(path, replace_existing=True)


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    final = tmp_path / "final"

    def overtaken() -> None:
        with staged_directory(final, replace_existing=False):
            final.mkdir()
            (final / "theirs").write_text("theirs")

    with pytest.raises(OutputExists):
        overtaken()
    assert [entry.name for entry in final.iterdir()] == ["theirs"]
    assert leftovers(tmp_path) == []


def test_modes_are_those_of_ordinary_files(tmp_path: Path) -> None:
    with staged_directory(tmp_path / "final", replace_existing=False) as content:
        (content / "file").write_text("")
    write_file(tmp_path / "result.json", b"{}")
    mask = staging._umask()
    assert (tmp_path / "final").stat().st_mode & 0o777 == 0o777 & ~mask
    assert (tmp_path / "result.json").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("round_", range(5))
def test_many_replace_the_same_output(tmp_path: Path, manifest: Manifest, round_: int) -> None:
    output = tmp_path / "m.edgeguard"
    packages = [package(manifest, f"{round_}-{index}.onnx") for index in range(6)]
    children = [in_child(lambda each=each: publish(each, output, replace_existing=True)) for each in packages]
    assert exit_codes(children) == [0] * 6
    assert state(output) in {each.manifest.source.name for each in packages}
    assert sorted(os.listdir(tmp_path)) == ["m.edgeguard", "m.lab"]
