"""Finding Debian's archive in what apt is configured with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from device_tests.emulator.sources import Source, debian_source, host_sources, parse_deb822, parse_one_line

ARCHIVE = "http://mirror.example/debian"
DEB822 = f"""\
# the archive
Types: deb deb-src
URIs: {ARCHIVE} http://second.example/debian/
# a comment inside
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main


Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
"""


def test_a_stanza_gives_a_source_per_address() -> None:
    found = parse_deb822(DEB822)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert found == [
        Source(uri, ("bookworm", "bookworm-updates"), ("main", "contrib"), keyring)
        for uri in (ARCHIVE, "http://second.example/debian/")
    ]


def test_an_embedded_key_keeps_its_lines() -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw\n =1234\n ----"
    text = f"Types: deb\nURIs: {ARCHIVE}\nSuites: trixie\nComponents: main\nSigned-By:\n {key}\n"
    (found,) = parse_deb822(text)
    assert found.signed_by is not None
    assert found.signed_by.splitlines()[1:] == [f" {line.strip()}" for line in key.splitlines()]
    (again,) = parse_deb822(found.stanza("bookworm"))
    assert again.signed_by == found.signed_by


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"deb {ARCHIVE} bookworm main contrib", Source(ARCHIVE, ("bookworm",), ("main", "contrib"))),
        (f"deb {ARCHIVE} stable main # why", Source(ARCHIVE, ("stable",), ("main",))),
        (
            f"deb [arch=amd64 signed-by=/k.gpg] {ARCHIVE} trixie main",
            Source(ARCHIVE, ("trixie",), ("main",), "/k.gpg"),
        ),
        (f"deb [ trusted=yes ] {ARCHIVE} sid main", Source(ARCHIVE, ("sid",), ("main",), None, True)),
    ],
)
def test_a_line_gives_a_source(line: str, expected: Source) -> None:
    assert parse_one_line(f"\n{line}\n") == [expected]


@pytest.mark.parametrize(
    "line", ["# deb http://x.example/debian sid main", "deb-src http://x.example/debian sid main", "deb"]
)
def test_a_line_that_offers_no_packages_gives_none(line: str) -> None:
    assert parse_one_line(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "deb https://tools.example/apt bookworm main",
        "deb https://cloud.example/apt cloud-sdk-bookworm main",
        "deb https://containers.example/linux/debian bookworm stable",
        "deb http://mirror.example/debian-security bookworm-security main",
        "deb http://mirror.example/ubuntu noble main",
        "deb cdrom:[Debian GNU/Linux 12]/debian bookworm main",
        "deb http://mirror.example/debian bookworm contrib",
    ],
)
def test_what_others_publish_for_debian_is_not_its_archive(line: str) -> None:
    assert debian_source(parse_one_line(line), "bookworm") is None


def test_the_archive_is_known_by_its_key_whatever_its_address() -> None:
    line = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://proxy.example/cache/7 trixie main"
    assert debian_source(parse_one_line(line), "bookworm") is not None


def test_a_source_of_the_wanted_suite_goes_first() -> None:
    lines = "deb http://new.example/debian trixie main\ndeb http://old.example/debian bookworm main"
    found = debian_source(parse_one_line(lines), "bookworm")
    assert found is not None
    assert found.uri == "http://old.example/debian"


def test_a_stanza_keeps_address_and_trust_and_asks_for_one_suite() -> None:
    source = Source(ARCHIVE, ("trixie", "trixie-updates"), ("main", "contrib"), "/k.gpg", trusted=True)
    assert parse_deb822(source.stanza("bookworm")) == [Source(ARCHIVE, ("bookworm",), ("main",), "/k.gpg", True)]


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="needs apt-config")
def test_both_kinds_of_file_are_read_where_apt_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "a.sources").write_text(DEB822)
    (parts / "b.list").write_text("deb http://list.example/debian sid main\n")
    (parts / "c.disabled").write_text("deb http://ignored.example/debian sid main\n")
    (tmp_path / "main.list").write_text("deb http://main.example/debian sid main\n")
    configuration = tmp_path / "apt.conf"
    configuration.write_text(
        f'Dir::Etc::sourcelist "{tmp_path}/main.list";\nDir::Etc::sourceparts "{parts}";\n', encoding="utf-8"
    )
    monkeypatch.setenv("APT_CONFIG", str(configuration))
    hosts = [source.uri.split("/")[2] for source in host_sources()]
    assert hosts == ["main.example", "mirror.example", "second.example", "list.example"]


def test_without_apt_there_are_no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host_sources() == []
