"""Public keys: what sshd accepts is taken, a private key never."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.errors import RejectedInput, UsageError
from edgeguard.fleet.flash.public_keys import KINDS, default_key_file, parse_public_keys, read_public_keys
from tests.fleet.flash.cards import key


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_the_public_half_of_a_real_key_is_taken_and_the_private_one_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "me here", "-f", str(path)], check=True)
    public = path.with_suffix(".pub")
    (found,) = read_public_keys([public])
    assert str(found) == public.read_text().strip()
    assert found.comment == "me here"
    with pytest.raises(RejectedInput, match="is a private key") as caught:
        read_public_keys([path])
    assert path.read_text().splitlines()[1] not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sshd_is_taken(kind: str) -> None:
    assert parse_public_keys(f"{key(kind)}\n".encode(), "x") == (key(kind),)


def test_several_files_and_lines_give_each_key_once(tmp_path: Path) -> None:
    first, second = tmp_path / "a.pub", tmp_path / "b.pub"
    first.write_text(f"# mine\n\n{key()}\n{key(comment='')}\r\n")
    second.write_text(f"{key()}\n{key('ssh-rsa')}")
    assert read_public_keys([first, second]) == (key(), key(comment=""), key("ssh-rsa"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no public key"),
        (b"# nothing\n", "holds no public key"),
        (b"\xff\xfe", "is no text"),
        (b"hello", "x:1: is no public key"),
        (b"\nssh-ed25519", "x:2: is no public key"),
        (b"ssh-ed25519 AAAA", "damaged"),
        (b"ssh-ed25519 AAAAB", "base64 is damaged"),
        (f"ssh-rsa {key().body}".encode(), "does not hold a key of the kind ssh-rsa"),
        (f"ssh-dss {key('ssh-rsa').body}".encode(), "of no kind that sshd accepts"),
        (f'command="x" {key()}'.encode(), "of no kind|is no public key"),
        (f"{key()}\x1b[2J".encode(), "characters that cannot be printed"),
        (b"---- BEGIN SSH2 PUBLIC KEY ----\n", "another format"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "is a private key"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "is a private key"),
        (b"x" * 70_000, "too large"),
    ],
)
def test_what_is_no_public_key_is_refused_with_its_place(content: bytes, words: str) -> None:
    with pytest.raises(RejectedInput, match=words) as caught:
        parse_public_keys(content, "x")
    assert caught.value.fix


@given(st.text(max_size=200))
def test_whatever_is_taken_is_one_line(text: str) -> None:
    try:
        keys = parse_public_keys(f"{key()} {text}".encode("utf-8", "surrogatepass"), "x")
    except RejectedInput:
        return
    assert all(str(each).isprintable() for each in keys)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.pub: cannot be read"):
        read_public_keys([tmp_path / "none.pub"])


def test_the_users_own_key_is_the_newer_kind_else_the_first(tmp_path: Path) -> None:
    assert default_key_file(tmp_path) is None
    (tmp_path / "id_rsa.pub").touch()
    (tmp_path / "id_ecdsa.pub").touch()
    assert default_key_file(tmp_path) == tmp_path / "id_ecdsa.pub"
    (tmp_path / "id_ed25519.pub").touch()
    assert default_key_file(tmp_path) == tmp_path / "id_ed25519.pub"
