"""``edgeguard flash``: a card or an image whose device installs the artifact at its first boot."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import Console, print_json, printable
from edgeguard.cli.options import artifact_argument, force_option, json_option
from edgeguard.errors import UsageError

if TYPE_CHECKING:
    from edgeguard.fleet.flash.partition import BootPartition
    from edgeguard.fleet.flash.prepare import Flashed
    from edgeguard.fleet.flash.public_keys import PublicKey
    from edgeguard.fleet.flash.renderer import Renderer
    from edgeguard.fleet.flash.wifi import Wifi
    from edgeguard.fleet.wheels import Wheels

__all__ = ["flash"]

_path: Any = click.Path(path_type=Path)


@click.command()
@artifact_argument
@click.option("--image", type=_path, help="An unpacked image of Raspberry Pi OS (64-bit), Trixie or later.")
@click.option("--boot", type=_path, help="The mounted boot partition of a card that holds it.")
@click.option("--hostname", default="edgeguard", show_default=True, help="The device's name.")
@click.option("--user", default="pi", show_default=True, help="Who owns the artifact there and may log in.")
@click.option(
    "--ssh-key",
    "key_files",
    type=_path,
    multiple=True,
    help="A public key that lets in, or a file of several; may be repeated.  [default: yours in ~/.ssh]",
)
@click.option("--wifi", "ssid", help="Name of the wireless network to join.")
@click.option(
    "--wifi-password-file", "password_file", type=_path, help="Its password, in a file.  [default: you are asked]"
)
@click.option("--wifi-country", "country", help="Country of the device, as DE; the radio stays off without.")
@click.option(
    "--wheels", "wheel_directory", type=_path, help="Take edgeguard's wheels, and pip's, from here.  [default: fetched]"
)
@force_option
@json_option
def flash(
    artifact: Path,
    image: Path | None,
    boot: Path | None,
    hostname: str,
    user: str,
    key_files: tuple[Path, ...],
    ssid: str | None,
    password_file: Path | None,
    country: str | None,
    wheel_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Prepare a boot partition such that ARTIFACT is installed and verified when the device first boots.

    The system itself is Raspberry Pi Imager's to write; here go the device's name, user, keys and network, the
    artifact, and edgeguard for it. Disks are never written to: give an image, or a card's mounted boot partition.
    """
    from edgeguard.artifact import open_artifact
    from edgeguard.fleet.device_part import extras_for
    from edgeguard.fleet.flash.bundle import make_bundle
    from edgeguard.fleet.flash.prepare import prepare
    from edgeguard.fleet.flash.renderers import RENDERERS
    from edgeguard.fleet.flash.settings import Settings

    renderer = RENDERERS["cloud-init"]
    with Console() as console:
        opened = _opened(image, boot)
        settings = Settings(hostname, user, _keys(key_files, console), _wifi(ssid, password_file, country))
        packed = open_artifact(artifact)
        extras = extras_for({packed.manifest.model.format})
        bundle = make_bundle(packed, _wheels(wheel_directory, renderer, extras, console))
        with opened as partition:
            if boot is not None:
                _warn_of_no_fat(boot, console)
            flashed = prepare(partition, renderer, settings, bundle, replace_existing=force, reporter=console)
    if as_json:
        print_json({**asdict(flashed), "hostname": hostname, "user": user})
    else:
        _print(flashed, user, hostname)


def _opened(image: Path | None, boot: Path | None) -> AbstractContextManager[BootPartition]:
    from edgeguard.fleet.flash.directory import open_directory
    from edgeguard.fleet.flash.image import open_image

    if image is not None and boot is None:
        return open_image(image)
    if boot is None or image is not None:
        raise UsageError("either an image or a boot partition", fix="Give one of --image FILE and --boot DIRECTORY")
    return open_directory(boot)


def _warn_of_no_fat(boot: Path, console: Console) -> None:
    from edgeguard.fleet.flash.directory import file_system

    kind = file_system(boot)
    if kind not in ("vfat", "msdos"):
        console.warn(
            f"{printable(str(boot))} is on {kind}, not FAT: right for booting from a network, wrong for a card"
        )


def _keys(files: tuple[Path, ...], console: Console) -> tuple[PublicKey, ...]:
    from edgeguard.fleet.flash.public_keys import default_key_file, read_public_keys

    if files:
        return read_public_keys(files)
    found = default_key_file(Path.home() / ".ssh")
    if found is None:
        raise UsageError(
            "you have no public key in ~/.ssh, and nobody could log in without one",
            fix="Make one with ssh-keygen -t ed25519, or name one with --ssh-key",
        )
    console.step(f"letting in {found}")
    return read_public_keys((found,))


def _wifi(ssid: str | None, password_file: Path | None, country: str | None) -> Wifi | None:
    from edgeguard.fleet.flash.wifi import Wifi

    if ssid is None:
        if password_file is not None or country is not None:
            raise UsageError("which wireless network?", fix="Name it with --wifi")
        return None
    if country is None:
        raise UsageError(
            "the radio stays off unless it knows its country", fix="Give its two letters with --wifi-country, as DE"
        )
    return Wifi.from_password(ssid, _password(ssid, password_file), country)


def _password(ssid: str, file: Path | None) -> str:
    """From a file or the terminal; never from the command line, which every process may read."""
    if file is None:
        if not sys.stdin.isatty():
            raise UsageError(
                "there is nobody to ask for the Wi-Fi password", fix="Put it into a file: --wifi-password-file"
            )
        return str(click.prompt(f"Password of {printable(ssid)}", hide_input=True, err=True))
    try:
        return file.read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(file), fix="Write the password alone into it") from None


def _wheels(directory: Path | None, renderer: Renderer, extras: tuple[str, ...], console: Console) -> Wheels:
    from edgeguard.fleet.wheels import fetch_wheels, wheels_in

    if directory is not None:
        return wheels_in(directory, extras=extras)
    return fetch_wheels(renderer.python, dependencies=True, reporter=console, extras=extras)


def _print(flashed: Flashed, user: str, hostname: str) -> None:
    click.echo(f"ready: {printable(flashed.where)} ({len(flashed.files)} files written and read back)")
    click.echo(f"The device's first boot takes a few minutes; then: ssh {user}@{hostname}.local")
    click.echo("How the installation went is in ~/edgeguard/first-boot.json there.")
