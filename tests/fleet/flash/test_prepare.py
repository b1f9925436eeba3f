"""A boot partition made ready: checked before, in order, read back, and never half."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgeguard.errors import DeviceError, OutputExists, RejectedInput
from edgeguard.fleet.flash.bundle import Bundle
from edgeguard.fleet.flash.cloud_init import CloudInit
from edgeguard.fleet.flash.directory import DirectoryPartition
from edgeguard.fleet.flash.image import open_image
from edgeguard.fleet.flash.kernel_line import instance_of
from edgeguard.fleet.flash.partition import BootPartition
from edgeguard.fleet.flash.prepare import Flashed, prepare
from edgeguard.fleet.flash.settings import Settings
from tests.fleet.flash.cards import FILES, key, make_boot, make_image, needs_fat_tools

SETTINGS = Settings("attic", "pi", (key(),))
BUNDLE = Bundle("model", "0123456789abcdef", b"tar" * 1000)
OTHER = Bundle("model", "fedcba9876543210", b"newer" * 1000)


class Silent:
    def step(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass


class PowerCut(Exception):
    pass


@dataclass
class Card:
    """A partition in memory, which may lose power, forget, or be full."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    writes_left: int = 1000
    forgets: str = ""
    free: int = 1 << 30
    where: str = "card"

    def exists(self, name: str) -> bool:
        return name in self.files

    def names(self, folder: str) -> tuple[str, ...]:
        return tuple(sorted(name.partition("/")[2] for name in self.files if name.startswith(f"{folder}/")))

    def read(self, name: str) -> bytes:
        return self.files[name]

    def write(self, name: str, data: bytes) -> None:
        self._spend()
        self.files[name] = data[:-1] + b"?" if name == self.forgets else data

    def remove(self, name: str) -> None:
        self._spend()
        del self.files[name]

    def free_bytes(self) -> int:
        return self.free

    def _spend(self) -> None:
        if not self.writes_left:
            raise PowerCut
        self.writes_left -= 1


def flash(card: BootPartition, bundle: Bundle = BUNDLE, *, force: bool = False) -> Flashed:
    return prepare(card, CloudInit(), SETTINGS, bundle, replace_existing=force, reporter=Silent())


def test_everything_is_written_and_the_rest_stays() -> None:
    card = Card()
    done = flash(card)
    assert set(card.files) == {*FILES, BUNDLE.path}
    assert card.files["config.txt"] == FILES["config.txt"]
    assert card.files[BUNDLE.path] == BUNDLE.data
    assert done.instance.encode() in card.files["meta-data"]
    assert instance_of(card.files["cmdline.txt"]) == done.instance
    assert done.bundle == BUNDLE.digest
    assert set(done.files) == {BUNDLE.path, "network-config", "user-data", "meta-data", "cmdline.txt"}


def test_each_time_the_device_counts_as_new() -> None:
    assert flash(Card()).instance != flash(Card()).instance


def test_settings_that_are_there_are_replaced_only_when_told() -> None:
    card = Card()
    first = flash(card)
    with pytest.raises(OutputExists, match=f"settings of edgeguard already .instance {first.instance}"):
        flash(card, OTHER)
    assert BUNDLE.path in card.files
    second = flash(card, OTHER, force=True)
    assert OTHER.path in card.files
    assert BUNDLE.path not in card.files
    assert instance_of(card.files["cmdline.txt"]) == second.instance
    assert card.files["cmdline.txt"].count(b"ds=nocloud") == 1


def test_another_programs_settings_are_replaced_only_when_told() -> None:
    card = Card()
    card.files["cmdline.txt"] = b"root=x ds=nocloud;i=rpi-imager-17\n"
    with pytest.raises(OutputExists, match="settings of another program already"):
        flash(card)
    flash(card, force=True)


@pytest.mark.parametrize("moment", range(7))
def test_power_lost_at_any_moment_leaves_whole_files_and_a_bundle_for_the_settings_in_force(moment: int) -> None:
    card = Card()
    flash(card)
    old = dict(card.files)
    card.writes_left = moment
    try:
        flash(card, OTHER, force=True)
    except PowerCut:
        assert moment < 6
    new = dict(card.files)
    wanted = BUNDLE if new["user-data"] == old["user-data"] else OTHER
    assert new[wanted.path] == wanted.data
    assert wanted.digest.encode() in new["user-data"]
    # Until the line is written, the device that has booted before goes on as it did.
    if new["cmdline.txt"] == old["cmdline.txt"]:
        assert BUNDLE.path in new
    else:
        assert new["user-data"] != old["user-data"]
        assert instance_of(new["cmdline.txt"]).encode() in new["meta-data"]  # type: ignore[union-attr]
    card.writes_left = 1000
    flash(card, OTHER, force=True)
    assert card.names("edgeguard") == (OTHER.path.partition("/")[2],)


@pytest.mark.parametrize("name", [BUNDLE.path, "user-data", "cmdline.txt"])
def test_a_card_that_gives_back_other_bytes_is_named(name: str) -> None:
    with pytest.raises(DeviceError, match=f"{name} reads back otherwise") as caught:
        flash(Card(forgets=name))
    assert caught.value.exit_code == 6


def test_a_full_card_is_named_before_anything_is_written() -> None:
    card = Card(free=len(BUNDLE.data))
    with pytest.raises(DeviceError, match=r"too full: 0\.\d MB are needed and 0\.0 MB are free"):
        flash(card)
    assert card.files == FILES


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.txt", "no boot partition of a Raspberry Pi: it has no config.txt"),
        ("cmdline.txt", "it has no cmdline.txt"),
        ("user-data", "Bookworm or older .there is no user-data"),
        ("meta-data", "Bookworm or older .there is no meta-data"),
    ],
)
def test_what_is_no_boot_partition_for_cloud_init_is_refused(missing: str, words: str) -> None:
    card = Card()
    del card.files[missing]
    before = dict(card.files)
    with pytest.raises(RejectedInput, match=words) as caught:
        flash(card)
    assert caught.value.fix
    assert card.files == before


def test_a_mounted_partition_is_made_ready(tmp_path: Path) -> None:
    boot = make_boot(tmp_path / "boot")
    (boot / "edgeguard").mkdir()
    (boot / "edgeguard" / "bundle-dead.tar.new").write_bytes(b"half")
    flash(DirectoryPartition(boot))
    assert os.listdir(boot / "edgeguard") == [Path(BUNDLE.path).name]
    assert sorted(os.listdir(boot)) == sorted([*FILES, "edgeguard"])
    assert (boot / BUNDLE.path).read_bytes() == BUNDLE.data


@needs_fat_tools()
def test_an_image_is_made_ready(tmp_path: Path) -> None:
    path = make_image(tmp_path / "pios.img")
    with open_image(path) as card:
        done = flash(card)
    with open_image(path) as card:
        assert card.read(BUNDLE.path) == BUNDLE.data
        assert instance_of(card.read("cmdline.txt")) == done.instance
