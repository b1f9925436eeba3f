"""Keys: what they give, that they keep apart, and how their files are guarded."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from edgeguard.defenses.decoys import attractors, derangements
from edgeguard.errors import MissingExtra, OutputExists, RejectedInput, UsageError
from edgeguard.keys import MasterKey, Purpose, read_key, write_key

KEY = MasterKey(bytes(range(32)))
HEX = KEY.secret.hex()


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def written(path: Path, text: str, bits: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(bits)
    return path


def test_what_a_key_gives_is_pinned() -> None:
    assert KEY.commitment == "c4bf9994f712353ec2b6a0a34862f608dd8ca95b4f88a430dd808775b7686975"
    assert derangements(KEY, 10, 2).tolist() == [[5, 7, 8, 2, 6, 3, 0, 9, 1, 4], [2, 4, 6, 8, 3, 9, 1, 0, 7, 5]]
    assert attractors(KEY, 10) == (6, 4)


def test_a_subkey_is_hkdf_of_the_documented_info() -> None:
    info = b"edgeguard key 1\0noise\0" + (10).to_bytes(8, "big") + (3).to_bytes(8, "big")
    extracted = hmac.new(bytes(32), KEY.secret, hashlib.sha256).digest()
    subkey = hmac.new(extracted, info + b"\1", hashlib.sha256).digest()
    word = int.from_bytes(hashlib.shake_256(subkey).digest(8), "little")
    assert KEY.stream("noise", 10, 3).integers(1 << 63, 1).tolist() == [word % (1 << 63)]


def test_streams_of_other_purposes_contexts_and_keys_differ() -> None:
    contexts: list[tuple[int, ...]] = [(), (0,), (1,), (0, 0), (0, 1), (256,), (1, 0)]
    heads = [
        tuple(key.stream(purpose, *context).integers(1 << 63, 2).tolist())
        for key in (KEY, MasterKey(bytes(32)))
        for purpose in get_args(Purpose)
        for context in contexts
    ]
    assert all(first != second for first, second in combinations(heads, 2))
    assert KEY.commitment != MasterKey(bytes(32)).commitment


def test_the_same_stream_begins_anew_each_time() -> None:
    assert (KEY.stream("cells", 4).permutation(50) == KEY.stream("cells", 4).permutation(50)).all()


def test_decoys_are_derangements_and_a_level_does_not_depend_on_the_others() -> None:
    found = derangements(KEY, 100, 5)
    assert found.dtype == np.int64
    assert found.shape == (5, 100)
    assert (np.sort(found, axis=1) == np.arange(100)).all()
    assert not (found == np.arange(100)).any()
    assert (found[:2] == derangements(KEY, 100, 2)).all()
    assert len({tuple(row) for row in found.tolist()}) == 5


def test_attractors_are_two_classes() -> None:
    for seed in range(50):
        first, second = attractors(MasterKey(bytes([seed]) * 32), 3)
        assert first != second
        assert {first, second} <= {0, 1, 2}
    with pytest.raises(ValueError, match="no two attractors"):
        attractors(KEY, 1)


def test_nothing_shows_the_secret() -> None:
    shown = f"{KEY!r} {KEY} {KEY.commitment}"
    assert HEX[:8] not in shown
    assert str(KEY.secret) not in shown


def test_impossible_keys_purposes_and_contexts() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey(b"short")
    with pytest.raises(ValueError, match="no purpose"):
        KEY.stream("commitment")  # type: ignore[arg-type]
    for number in (-1, 1 << 64):
        with pytest.raises(ValueError, match="context"):
            KEY.stream("noise", number)


def test_generated_keys_differ() -> None:
    assert MasterKey.generate() != MasterKey.generate()


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtra, match=r"cryptography .*edgeguard\[export\]"):
        _ = KEY.commitment


def test_importing_keys_loads_no_cryptography() -> None:
    code = "import sys, edgeguard.keys, edgeguard.defenses.decoys; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("no_umask")
def test_a_file_is_private_from_the_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    link = os.link

    def watched(source: str, target: Path) -> None:
        seen.append(mode(Path(source)))
        link(source, target)

    monkeypatch.setattr(os, "link", watched)
    opened: list[tuple[int, int]] = []
    real = os.open

    def watching(path: str, flags: int, bits: int = 0o777, **rest: int) -> int:
        if flags & os.O_CREAT:
            opened.append((flags & os.O_EXCL, bits))
        return real(path, flags, bits, **rest)

    monkeypatch.setattr(os, "open", watching)
    write_key(tmp_path / "owner.key", KEY)
    assert opened == [(os.O_EXCL, 0o600)]
    assert seen == [0o600]
    assert mode(tmp_path / "owner.key") == 0o600
    assert os.listdir(tmp_path) == ["owner.key"]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "owner.key"
    write_key(path, KEY)
    assert path.read_text() == f"edgeguard key 1\n{HEX}\n"
    assert read_key(path) == KEY
    (tmp_path / "link").symlink_to(path)
    assert read_key(tmp_path / "link") == KEY
    path.chmod(0o400)
    assert read_key(path) == KEY
    assert read_key(written(tmp_path / "dos", f"edgeguard key 1\r\n{HEX.upper()}\r\n\r\n")) == KEY


@pytest.mark.parametrize("there", ["file", "folder", "dangling"])
def test_nothing_is_ever_replaced(tmp_path: Path, there: str) -> None:
    path = tmp_path / "owner.key"
    if there == "file":
        path.write_text("old")
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputExists, match="never replaced"):
        write_key(path, KEY)
    assert os.listdir(tmp_path) == ["owner.key"]
    if there == "file":
        assert path.read_text() == "old"


def test_of_several_writers_one_wins(tmp_path: Path) -> None:
    refused: list[OutputExists] = []

    def write(number: int) -> None:
        try:
            write_key(tmp_path / "owner.key", MasterKey(bytes([number]) * 32))
        except OutputExists as error:
            refused.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(refused) == 7
    assert len(set(read_key(tmp_path / "owner.key").secret)) == 1


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        write_key(tmp_path / "owner.key", KEY)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        write_key(tmp_path / "none" / "owner.key", KEY)


def test_missing_files_and_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file\. Make a key with edgeguard keygen"):
        read_key(tmp_path / "none.key")
    with pytest.raises(RejectedInput, match="is a directory"):
        read_key(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(RejectedInput, match="no plain file"):
        read_key(tmp_path / "pipe")
    with pytest.raises(UsageError, match="cannot be read"):
        read_key(written(tmp_path / "file", "x") / "below")


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o601, 0o644, 0o666])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, bits: int) -> None:
    path = written(tmp_path / "owner.key", f"edgeguard key 1\n{HEX}\n", bits)
    with pytest.raises(RejectedInput, match=f"mode {bits:o}.*chmod 600 {path}"):
        read_key(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no key file"),
        (HEX, "is no key file"),
        ("-----BEGIN PRIVATE KEY-----\n", "is no key file"),
        ("\0" * 5000, "is no key file"),
        ("edgeguard key\n", "is no key file"),
        (f"edgeguard key 2\n{HEX}\n", "version 2; this edgeguard reads version 1"),
        (f"edgeguard key 10\n{HEX}\n", "version 10"),
        ("edgeguard key 1", "damaged key file"),
        ("edgeguard key 1\n", "damaged key file"),
        (f"edgeguard key 1\n{HEX[:-1]}", "damaged key file"),
        (f"edgeguard key 1\n{HEX}00\n", "damaged key file"),
        (f"edgeguard key 1\n{HEX[:-1]}g\n", "damaged key file"),
        (f"edgeguard key 1\n{HEX}\n{HEX}\n", "damaged key file"),
        (f"edgeguard key 1\n{HEX}\n" + "\n" * 2000, "is no key file"),
    ],
)
def test_damaged_files_are_refused_without_showing_them(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path / "owner.key", text)
    with pytest.raises(RejectedInput) as caught:
        read_key(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert HEX[:16] not in str(caught.value)
    assert caught.value.fix
