"""Row 3 of the anchors: archives that explode, or that readers disagree about."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeguard.errors import RejectedInput, UsageError
from edgeguard.export.loading import LoadRequest, load_model
from tests.export.hostile.archives import members, pack
from tests.export.hostile.refusals import refuse, refuse_loading


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest file, which all the others are made of."""
    path = tmp_path_factory.mktemp("honest") / "state.pt"
    torch.save({"weight": torch.zeros(10, 3)}, path)
    return path


def bomb(state: Path, path: Path) -> None:
    pack(path, members(state) | {"state/data/0": bytes(300 << 20)}, compressed=True)


def bomb_in_bulk(state: Path, path: Path) -> None:
    """The ratio of the whole is harmless: what is stored as it is outweighs it."""
    pack(path, members(state) | {"state/data/1": np.random.default_rng(0).bytes(8 << 20)})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("state/data/2", bytes(256 << 20))


def claims_more(state: Path, path: Path) -> None:
    """Three gigabytes, if its directory is to be believed."""
    pack(path, members(state))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<L", 3 << 30)
    path.write_bytes(data)


def overlapping(state: Path, path: Path) -> None:
    pack(path, members(state))
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    path.write_bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def duplicate(state: Path, path: Path) -> None:
    pack(path, members(state))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("state/data.pkl", b"another")


def differing_in_case(state: Path, path: Path) -> None:
    pack(path, members(state) | {"state/DATA.pkl": b"another"})


def prefixed(state: Path, path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\n" + state.read_bytes())


def two_archives(state: Path, path: Path) -> None:
    path.write_bytes(state.read_bytes() * 2)


def followed(state: Path, path: Path) -> None:
    path.write_bytes(state.read_bytes() + b"and something else")


def commented(state: Path, path: Path) -> None:
    pack(path, members(state))
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"something else"


def second_directory(state: Path, path: Path) -> None:
    """A zip64 locator that points at another directory than the one at the end."""
    pack(path, members(state))
    data = path.read_bytes()
    end = data.index(b"PK\x05\x06")
    count, size, start = struct.unpack("<HLL", data[end + 10 : end + 20])
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 1)
    path.write_bytes(data[:end] + record + locator + data[end:])


def escaping(state: Path, path: Path) -> None:
    pack(path, members(state) | {"state/../../evil": b""})


def absolute(state: Path, path: Path) -> None:
    pack(path, {"/etc/cron.d/evil": b""})


def encrypted(state: Path, path: Path) -> None:
    pack(path, members(state))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1
    path.write_bytes(data)


UNSAFE: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "bomb": (bomb, "is a zip bomb"),
    "bomb-in-bulk": (bomb_in_bulk, "is a zip bomb"),
    "claims-more": (claims_more, "is a zip bomb"),
    "overlapping": (overlapping, "members overlap"),
    "duplicate": (duplicate, "two members of one name"),
    "differing-in-case": (differing_in_case, "two members of one name"),
    "prefixed": (prefixed, "behind something else"),
    "two-archives": (two_archives, "glued to the archive"),
    "followed": (followed, "glued to the archive"),
    "commented": (commented, "glued to the archive"),
    "second-directory": (second_directory, "glued to the archive"),
    "escaping": (escaping, "points outside the archive"),
    "absolute": (absolute, "points outside the archive"),
    "encrypted": (encrypted, "is encrypted"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", UNSAFE)
def test_row_3_unsafe_archives(state: Path, tmp_path: Path, kind: str) -> None:
    make, said = UNSAFE[kind]
    path = tmp_path / "model.pt"
    make(state, path)
    assert str(path) in refuse_loading(path, said)


@pytest.mark.parametrize("kind", ["bomb", "followed"])
def test_row_3_through_the_command_line(state: Path, tmp_path: Path, kind: str) -> None:
    make, said = UNSAFE[kind]
    make(state, tmp_path / "model.pt")
    refuse(tmp_path / "model.pt", "model.pt", said, "Save the model again")


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:-200],
    "half": lambda data: data[: len(data) // 2],
    "head-only": lambda data: data[:64],
    "directory-of-zeros": lambda data: data[: data.index(b"PK\x01\x02")] + bytes(600),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_archives(state: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(DAMAGED[kind](state.read_bytes()))
    refuse_loading(path, "model.pt", "archive")


def test_archives_that_torch_did_not_write(tmp_path: Path) -> None:
    refuse_loading(pack(tmp_path / "a.pt", {"readme.txt": b"", "data.pkl": b""}), "torch did not write")
    refuse_loading(pack(tmp_path / "b.pt", {"a/readme.txt": b""}), "without a model")
    refuse_loading(pack(tmp_path / "c.pt", {}), "c.pt")


def test_changed_bytes_of_the_directory_are_refused_cleanly_or_harmless(state: Path, tmp_path: Path) -> None:
    data = state.read_bytes()
    start = data.index(b"PK\x01\x02")
    rng = np.random.default_rng(0)
    path = tmp_path / "model.pt"
    for position in rng.choice(np.arange(start, len(data)), 60, replace=False):
        changed = bytearray(data)
        changed[position] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        # What survives is the honest state_dict, which lacks its --arch: a usage error.
        with pytest.raises((RejectedInput, UsageError), match=r"model\.pt"):
            load_model(LoadRequest(path))
