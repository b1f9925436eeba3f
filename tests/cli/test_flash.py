"""``edgeguard flash`` through the command line: what is asked, what is refused, what is said."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgeguard.fleet.flash.image import open_image
from tests.artifacts import make_artifact
from tests.cli.inprocess import Here
from tests.cli.shell import assert_clean_failure, edgeguard
from tests.fleet.boards import fake_wheels
from tests.fleet.flash.cards import FILES, key, make_boot, make_image, needs_fat_tools

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("desk")
    make_artifact(place)
    fake_wheels(place / "wheels")
    (place / "me.pub").write_text(f"{key()}\n")
    (place / "password").write_text(f"{PASSWORD}\n")
    make_boot(place / "bootfs")
    (place / "home").mkdir()
    return place


@pytest.fixture
def desk(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: an artifact, wheels, a key, a boot partition; a home without any key."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


BASE = ("flash", "model.edgeguard", "--wheels", "wheels", "--ssh-key", "me.pub")
WIFI = ("--wifi", "home", "--wifi-country", "de", "--wifi-password-file", "password")


def untouched(desk: Path) -> bool:
    return {path.name: path.read_bytes() for path in (desk / "bootfs").iterdir()} == FILES


def test_a_mounted_card_is_made_ready_and_it_is_said_what_comes_next(desk: Path) -> None:
    done = edgeguard(*BASE, "--boot", "bootfs", "--hostname", "attic", "--user", "rosa")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "ready: bootfs (5 files written and read back)"
    assert "ssh rosa@attic.local" in done.stdout
    assert "first-boot.json" in done.stdout
    assert "writing user-data" in done.stderr
    user = yaml.safe_load((desk / "bootfs/user-data").read_text())
    assert (user["hostname"], user["users"][0]["name"]) == ("attic", "rosa")
    assert user["users"][0]["ssh_authorized_keys"] == [str(key())]


def test_a_directory_that_is_no_fat_is_warned_of(desk: Path, here: Here) -> None:
    done = here(*BASE, "--boot", "bootfs")
    assert done.code == 0
    assert "bootfs is on " in done.err
    assert "not FAT" in done.err


def test_json(desk: Path, here: Here) -> None:
    said = json.loads(here(*BASE, "--boot", "bootfs", "--json").out)
    assert said["instance"].startswith("edgeguard-")
    assert said["instance"] in (desk / "bootfs/cmdline.txt").read_text()
    assert (said["artifact"], said["hostname"], said["user"]) == ("model", "edgeguard", "pi")
    assert set(said["files"]) >= {"user-data", "cmdline.txt"}


def test_a_second_time_only_by_force(desk: Path, here: Here) -> None:
    here(*BASE, "--boot", "bootfs")
    here(*BASE, "--boot", "bootfs").failed(2, "holds settings of edgeguard already", "--force")
    assert here(*BASE, "--boot", "bootfs", "--force").code == 0


@needs_fat_tools()
def test_an_image_is_made_ready(desk: Path, here: Here) -> None:
    make_image(desk / "pios.img")
    assert here(*BASE, "--image", "pios.img", *WIFI).code == 0
    with open_image(desk / "pios.img") as card:
        assert "regulatory-domain" in card.read("network-config").decode()
        assert card.read("cmdline.txt").endswith(b"cfg80211.ieee80211_regdom=DE\n")


def test_the_users_own_key_is_taken_and_said(desk: Path, here: Here) -> None:
    arguments = (*BASE[:4], "--boot", "bootfs")
    here(*arguments).failed(2, "no public key in ~/.ssh", "ssh-keygen -t ed25519")
    assert untouched(desk)
    own = desk / "home/.ssh/id_ed25519.pub"
    own.parent.mkdir()
    own.write_text(f"{key(comment='own')}\n")
    done = here(*arguments)
    assert done.code == 0
    assert f"letting in {own}" in done.err
    assert str(key(comment="own")) in (desk / "bootfs/user-data").read_text()


def test_a_private_key_is_refused(desk: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id"], check=True)
    done = edgeguard(*BASE[:4], "--ssh-key", "id", "--boot", "bootfs")
    assert_clean_failure(done, 3, "id: is a private key", ".pub")
    assert untouched(desk)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "either an image or a boot partition"),
        (("--image", "x", "--boot", "bootfs"), 2, "either an image or a boot partition"),
        (("--boot", "none"), 2, "none: cannot be used"),
        (("--boot", "/dev/null"), 2, "is no directory"),
        (("--image", "none.img"), 2, "none.img: cannot be used"),
        (("--image", "bootfs"), 2, "is a directory"),
        (("--image", "me.pub"), 3, "too short for a disk image"),
        (("--boot", "wheels"), 3, "no boot partition of a Raspberry Pi"),
        (("--boot", "bootfs", "--hostname", "a b"), 2, "is no host name"),
        (("--boot", "bootfs", "--user", "root"), 2, "not to root"),
        (("--boot", "bootfs", "--ssh-key", "none.pub"), 2, "none.pub: cannot be read"),
        (("--boot", "bootfs", "--ssh-key", "password"), 3, "is no usable public key"),
        (("--boot", "bootfs", "--wheels", "none"), 2, "no such directory of wheels"),
        (("--boot", "bootfs", "--wifi", "home"), 2, "--wifi-country"),
        (("--boot", "bootfs", "--wifi-country", "DE"), 2, "which wireless network?"),
        (("--boot", "bootfs", "--wifi", "home", "--wifi-country", "DE"), 2, "--wifi-password-file"),
        (("--boot", "bootfs", *WIFI[:4], "--wifi-password-file", "none"), 2, "none: cannot be read"),
        (("--boot", "bootfs", *WIFI[:3], "Germany", *WIFI[4:]), 2, "is no country"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_nothing_is_written(
    desk: Path, here: Here, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    here(*BASE, *arguments).failed(code, words)
    assert untouched(desk)


def test_an_artifact_that_is_not_what_it_says_goes_nowhere(desk: Path, here: Here) -> None:
    (desk / "model.edgeguard/model.onnx").write_bytes(b"other")
    here(*BASE, "--boot", "bootfs").failed(4, "model.onnx", "differs")
    assert untouched(desk)


def test_the_password_is_asked_for_at_the_terminal_and_not_shown(desk: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgeguard.cli", *BASE, "--boot", "bootfs", *WIFI[:4]]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True) as run:
        os.close(theirs)
        shown = b""
        while b"Password of home" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, f"{PASSWORD}\n".encode())
        try:
            while chunk := os.read(ours, 1000):
                shown += chunk
        except OSError:
            pass  # the other end was closed
        assert run.wait(timeout=60) == 0, shown
    os.close(ours)
    assert PASSWORD.encode() not in shown
    files = [path.read_bytes() for path in (desk / "bootfs").rglob("*") if path.is_file()]
    assert not [data for data in files if PASSWORD.encode() in data]
    assert "regulatory-domain" in (desk / "bootfs/network-config").read_text()


def test_the_password_is_no_option(desk: Path, here: Here) -> None:
    assert "--wifi-password " not in here("flash", "-h").out
    assert here(*BASE, "--boot", "bootfs", "--wifi-password", PASSWORD).code == 2


def test_options_may_stand_in_the_file_beside_the_artifact(desk: Path, here: Here) -> None:
    text = '[flash]\nboot = "bootfs"\nhostname = "attic"\nssh-key = "me.pub"\nwheels = "wheels"\n'
    (desk / "edgeguard.toml").write_text(text)
    assert here("flash", "model.edgeguard").code == 0
    assert "attic" in (desk / "bootfs/user-data").read_text()
