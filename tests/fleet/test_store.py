"""The device's versioned directories: what is sent, what is linked, what is refused, what is repaired."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edgeguard.fleet.remote import store
from tests.fleet.stores import Version, bring, intact, request

OLD = Version(model=b"old" * 1000, golden=b"golden", manifest=b"1")
NEW = Version(model=b"new" * 1000, golden=b"golden", manifest=b"2")
THIRD = Version(model=b"third", golden=b"golden", manifest=b"3")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "model"


def planned(root: Path, version: Version) -> dict[str, Any]:
    return store.main(request(root, "plan", version=version.name, files=version.facts), io.BytesIO())


def receive(root: Path, version: Version, sent: list[str], payload: bytes) -> dict[str, Any]:
    arguments = {"version": version.name, "files": version.facts, "sent": sent}
    return store.main(request(root, "receive", **arguments), io.BytesIO(payload))


def test_the_first_version_is_sent_whole(root: Path) -> None:
    assert bring(root, OLD) == list(OLD.facts)
    assert intact(root, OLD) == OLD.name
    assert os.readlink(root / "current") == f"versions/{OLD.name}"
    assert not (root / "previous").is_symlink()


def test_what_is_there_is_linked_instead_of_sent(root: Path) -> None:
    bring(root, OLD)
    assert bring(root, NEW) == ["model.bin", "manifest.bin"]
    assert intact(root, OLD, NEW) == NEW.name
    assert (root / "current" / "golden.bin").samefile(root / "previous" / "golden.bin")


def test_a_version_that_is_there_needs_nothing(root: Path) -> None:
    bring(root, OLD)
    assert planned(root, OLD)["complete"]
    assert bring(root, OLD) == []


def test_files_are_for_their_owner_only(root: Path) -> None:
    bring(root, OLD)
    assert {path.stat().st_mode & 0o777 for path in (root / "current").iterdir()} == {0o400}
    assert (root / "current").stat().st_mode & 0o777 == 0o700


def test_only_the_current_and_the_previous_version_stay(root: Path) -> None:
    for version in (OLD, NEW, THIRD):
        bring(root, version)
    assert sorted(os.listdir(root / "versions")) == sorted([NEW.name, THIRD.name])
    assert (root / "previous").resolve().name == NEW.name


def test_switching_to_what_is_current_keeps_the_previous_one(root: Path) -> None:
    bring(root, OLD)
    bring(root, NEW)
    bring(root, NEW)
    assert (root / "previous").resolve().name == OLD.name


def test_a_switch_is_undone_with_what_was_previous_then(root: Path) -> None:
    for version in (OLD, NEW):
        bring(root, version)
    receive(root, THIRD, list(THIRD.facts), THIRD.payload(list(THIRD.facts)).read())
    store.main(request(root, "switch", version=THIRD.name, expected=NEW.name), io.BytesIO())
    back = request(root, "restore", undone=THIRD.name, current=NEW.name, previous=OLD.name)
    assert store.main(back, io.BytesIO())["current"] == NEW.name
    assert (root / "previous").resolve().name == OLD.name


def test_the_first_switch_is_undone_to_nothing(root: Path) -> None:
    bring(root, OLD)
    back = request(root, "restore", undone=OLD.name, current=None, previous=None)
    assert store.main(back, io.BytesIO())["current"] is None
    assert not (root / "current").is_symlink()


def test_another_deploys_switch_is_not_undone(root: Path) -> None:
    bring(root, OLD)
    bring(root, NEW)
    back = request(root, "restore", undone=THIRD.name, current=OLD.name, previous=None)
    assert store.main(back, io.BytesIO())["current"] == NEW.name


def test_a_switch_after_another_deploys_is_refused(root: Path) -> None:
    bring(root, OLD)
    bring(root, NEW)
    with pytest.raises(store.Refused, match=f"switched to {NEW.name} meanwhile"):
        store.main(request(root, "switch", version=OLD.name, expected=OLD.name), io.BytesIO())
    with pytest.raises(store.Refused, match="not there any more"):
        store.main(request(root, "switch", version=THIRD.name, expected=NEW.name), io.BytesIO())
    assert intact(root, OLD, NEW) == NEW.name


def test_a_flipped_byte_is_found(root: Path) -> None:
    bring(root, OLD)
    sent = planned(root, NEW)["missing"]
    payload = bytearray(NEW.payload(sent).read())
    payload[17] ^= 1
    with pytest.raises(store.Refused, match=r"model\.bin arrived damaged"):
        receive(root, NEW, sent, bytes(payload))
    assert os.listdir(root / "versions") == [OLD.name]
    assert intact(root, OLD) == OLD.name


def test_a_stream_that_ends_early_is_found(root: Path) -> None:
    bring(root, OLD)
    sent = planned(root, NEW)["missing"]
    with pytest.raises(store.Refused, match=r"broke while manifest\.bin was sent"):
        receive(root, NEW, sent, NEW.payload(sent).read()[:-1])
    assert os.listdir(root / "versions") == [OLD.name]


def test_a_damaged_current_version_is_repaired_where_it_lies(root: Path) -> None:
    bring(root, OLD)
    model = root / "current" / "model.bin"
    model.chmod(0o600)
    model.write_bytes(b"rot" * 1000)
    (root / "current" / "surplus").write_bytes(b"")
    (root / "current" / "folder").mkdir()
    assert bring(root, OLD) == ["model.bin"]
    assert intact(root, OLD) == OLD.name


def test_a_damaged_file_is_not_linked(root: Path) -> None:
    bring(root, OLD)
    golden = root / "current" / "golden.bin"
    golden.chmod(0o600)
    golden.write_bytes(b"GOLDEN")
    assert bring(root, NEW) == list(NEW.facts)
    assert (root / "current" / "golden.bin").read_bytes() == b"golden"


def test_without_hard_links_files_are_copied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(root, OLD)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    bring(root, NEW)
    assert intact(root, OLD, NEW) == NEW.name


def test_what_dead_processes_left_goes(root: Path) -> None:
    bring(root, OLD)
    for name in (".incoming-0123-7", ".dead-0123"):
        (root / "versions" / name).mkdir()
        (root / "versions" / name / "file").write_bytes(b"")
    bring(root, NEW)
    assert sorted(os.listdir(root / "versions")) == sorted([OLD.name, NEW.name])


def test_a_full_disk_is_found_before_anything_is_sent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(root, OLD)
    disk = os.statvfs(root)
    small = os.statvfs_result((*disk[:4], 200, *disk[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: small)
    with pytest.raises(store.Refused, match="disk is full"):
        planned(root, NEW)
    assert planned(root, OLD)["complete"]


@pytest.mark.parametrize("name", ["", ".", "..", "../model", "a/b", "a\\b", "a\nb", ".hidden", "\x1b[2J"])
def test_names_are_plain(root: Path, name: str) -> None:
    facts = {name: {"sha256": "0" * 64, "size": 0}}
    with pytest.raises(store.Refused, match="plain name"):
        store.plan(str(root), OLD.name, facts)
    with pytest.raises(store.Refused, match="plain name"):
        store.receive(str(root), OLD.name, facts, [name], io.BytesIO())
    with pytest.raises(store.Refused, match="plain name"):
        store.plan(str(root), name, {})
    with pytest.raises(store.Refused, match="plain name"):
        store.place("edgeguard", f"artifacts/{name}/..")
    with pytest.raises(store.Refused, match="plain name"):
        store.switch(str(root), name, None)


def test_a_second_deploy_waits_and_is_then_refused(root: Path) -> None:
    bring(root, OLD)
    with (root / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(store.Refused, match="another deploy is at work"):
            store.main({**request(root, "prune"), "patience": 0.2}, io.BytesIO())
        threading.Timer(0.3, fcntl.flock, (lock, fcntl.LOCK_UN)).start()
        assert bring(root, NEW)


def test_looking_needs_no_lock(root: Path) -> None:
    bring(root, OLD)
    with (root / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert store.main(request(root, "status"), io.BytesIO())["current"] == OLD.name
        assert planned(root, OLD)["complete"]


def test_a_sender_that_falls_silent_gives_the_lock_back(root: Path) -> None:
    bring(root, OLD)
    wanted = request(root, "receive", version=NEW.name, files=NEW.facts, sent=list(NEW.facts))
    script = "import json, sys; from edgeguard.fleet.remote import store; store._STALLED = 1; "
    script += "store.main(json.loads(sys.argv[1]), sys.stdin.buffer)"
    command = [sys.executable, "-c", script, json.dumps(wanted)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"new")
        process.stdin.flush()
        assert process.wait(30) == -signal.SIGALRM
    assert intact(root, OLD) == OLD.name
    bring(root, NEW)
    assert intact(root, OLD, NEW) == NEW.name
