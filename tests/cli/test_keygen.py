"""``edgeguard keygen`` through the real command line."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from edgeguard.keys import read_key
from tests.cli.inprocess import Here
from tests.cli.shell import assert_clean_failure, edgeguard


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "owner.key"
    done = edgeguard("keygen", path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = read_key(path)
    assert done.stdout.splitlines()[:2] == [f"wrote {path}", f"commitment {key.commitment}"]
    for words in ("secret", "one key per model", "averaged", "Publish the commitment"):
        assert words in done.stdout
    assert key.secret.hex() not in done.stdout
    assert_clean_failure(edgeguard("keygen", path), 2, str(path), "never replaced")
    assert read_key(path) == key


def test_the_commitment_of_a_key_that_is_there(tmp_path: Path, here: Here) -> None:
    path = tmp_path / "owner.key"
    made = json.loads(here("keygen", path, "--json").out)
    assert made == {"key": str(path), "commitment": read_key(path).commitment}
    assert here("keygen", path, "--commitment").out == f"commitment {made['commitment']}\n"
    assert json.loads(here("keygen", path, "--commitment", "--json").out) == made
    here("keygen", tmp_path / "none", "--commitment").failed(2, "there is no such file")
    assert os.listdir(tmp_path) == ["owner.key"]
    path.chmod(0o644)
    here("keygen", path, "--commitment").failed(3, "chmod 600")


def test_places_that_cannot_be(tmp_path: Path, here: Here) -> None:
    here("keygen", tmp_path / "none" / "owner.key").failed(2, "cannot be written")
    here("keygen", tmp_path).failed(2, "never replaced")
    assert here("keygen").code == 2
