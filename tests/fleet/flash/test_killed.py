"""A run that is killed, at every call that touches files: whole files on a card, and the old or the new image."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeguard.fleet.flash.bundle import Bundle
from edgeguard.fleet.flash.cloud_init import CloudInit
from edgeguard.fleet.flash.directory import open_directory
from edgeguard.fleet.flash.image import open_image
from edgeguard.fleet.flash.kernel_line import instance_of
from edgeguard.fleet.flash.partition import LEFTOVER
from edgeguard.fleet.flash.prepare import Flashed, prepare
from edgeguard.fleet.flash.settings import Settings
from tests.core.crashing import Fuse, killed_at
from tests.fleet.flash.cards import FILES, key, make_boot, make_image, needs_fat_tools

OLD = Bundle("model", "0123456789abcdef", b"old" * 50_000)
NEW = Bundle("model", "fedcba9876543210", b"new" * 50_000)


class Silent:
    def step(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass


def flash(path: Path, bundle: Bundle) -> Flashed:
    opened = open_directory(path) if path.is_dir() else open_image(path)
    settings = Settings("attic", "pi", (key(),))
    with opened as card:
        return prepare(card, CloudInit(), settings, bundle, replace_existing=True, reporter=Silent())


def flashing(path: Path) -> Callable[[Fuse], None]:
    def act(_: Fuse) -> None:
        flash(path, NEW)

    return act


def events_of(path: Path, count: Path) -> int:
    """How many events a run on this image has."""

    def act(fuse: Fuse) -> None:
        left = fuse._left
        flash(path, NEW)
        count.write_text(str(left - fuse._left))

    assert not killed_at(1 << 40, act)
    return int(count.read_text())


@pytest.mark.slow
def test_a_card_holds_whole_files_and_the_bundle_that_its_settings_name(tmp_path: Path) -> None:
    pristine = make_boot(tmp_path / "pristine")
    first = flash(pristine, OLD)
    seen = set()
    for event in itertools.count(1):
        boot = tmp_path / "boot"
        shutil.copytree(pristine, boot)
        died = killed_at(event, flashing(boot))
        user = (boot / "user-data").read_bytes()
        bundle = OLD if OLD.digest.encode() in user else NEW
        assert bundle.digest.encode() in user
        assert (boot / bundle.path).read_bytes() == bundle.data
        line = (boot / "cmdline.txt").read_bytes()
        instance = instance_of(line)
        assert line.endswith(f" ds=nocloud;i={instance}\n".encode())
        if instance == first.instance:
            # A device that has booted goes on as before, whatever the other files are by now.
            assert (boot / OLD.path).read_bytes() == OLD.data
        else:
            assert bundle is NEW
            assert f'"instance-id": "{instance}"'.encode() in (boot / "meta-data").read_bytes()
        seen.add((bundle.name + bundle.version, instance == first.instance))
        if event % 5 == 0 or not died:
            # And the next run makes it whole.
            flash(boot, NEW)
            assert os.listdir(boot / "edgeguard") == [Path(NEW.path).name]
            assert set(os.listdir(boot)) - {f"{name}{LEFTOVER}" for name in FILES} == {*FILES, "edgeguard"}
        shutil.rmtree(boot)
        if not died:
            break
    assert event > 50
    assert len(seen) == 3


@pytest.mark.slow
@needs_fat_tools()
def test_an_image_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    pristine = make_image(tmp_path / "pristine.img")
    flash(pristine, OLD)
    before = pristine.read_bytes()
    image = tmp_path / "pios.img"
    shutil.copy(pristine, image)
    last = events_of(image, tmp_path / "count")
    assert last > 100
    seen = []
    # A sample of the calls, then every one from shortly before the end, where the images change places, until a run is
    # not killed any more: waiting for mtools takes more calls on a busy machine, so how many there are differs.
    for event in itertools.chain(range(1, last - 24, last // 8), itertools.count(last - 24)):
        shutil.copy(pristine, image)
        died = killed_at(event, flashing(image))
        new = image.read_bytes() != before
        if new:
            with open_image(image) as card:
                assert card.read(NEW.path) == NEW.data
                assert f"ds=nocloud;i={instance_of(card.read('cmdline.txt'))}".encode() in card.read("cmdline.txt")
        seen.append(new)
        if not died:
            break
    assert new
    assert set(seen) == {False, True}
    flash(image, NEW)
    assert sorted(os.listdir(tmp_path)) == ["count", "pios.img", "pristine.img"]
