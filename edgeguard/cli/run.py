"""``edgeguard run``: images in, answers out, as the deployed model gives them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import print_json
from edgeguard.cli.options import artifact_argument, json_option, threads_option

if TYPE_CHECKING:
    from edgeguard.runtimes import Runtime

__all__ = ["run"]


@click.command()
@artifact_argument
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Classes to print.")
@threads_option
@json_option
def run(artifact: Path, images: tuple[Path, ...], top: int, threads: int, as_json: bool) -> None:
    """Answer image files as the deployed model would: the likeliest classes and their (defended) probabilities."""
    from edgeguard.runtimes import load

    for path in images:
        _refuse_folder(path)
    runtime = load(artifact, threads=threads)
    # All answers before the first line: a bad image among many leaves no half-written output.
    answers = [_answer(runtime, path, top) for path in images]
    if as_json:
        print_json([{"image": str(path), "answer": each} for path, each in zip(images, answers, strict=True)])
        return
    for path, each in zip(images, answers, strict=True):
        click.echo(path)
        for entry in each:
            name = f"class {entry['class']}" if entry["label"] is None else _printable(entry["label"])
            click.echo(f"  {entry['probability']:7.2%}  {name}")


def _answer(runtime: Runtime, path: Path, top: int) -> list[dict[str, Any]]:
    """The likeliest classes of one image, likeliest first; equally likely ones in the order of the classes."""
    from edgeguard.errors import BadData
    from edgeguard.images import decode_image

    image = decode_image(path)
    try:
        answer = runtime.predict([image])[0]
    except BadData as error:
        raise BadData(error.what, where=error.where or str(path), fix=error.fix) from None
    labels = runtime.manifest.labels
    return [
        {
            "class": int(index),
            "label": labels[index] if index < len(labels) else None,
            "probability": float(answer[index]),
        }
        for index in (-answer).argsort(kind="stable")[:top]
    ]


def _refuse_folder(path: Path) -> None:
    from edgeguard.errors import BadData, UsageError

    if path.is_dir():
        raise UsageError("is a folder; run takes image files", where=str(path), fix=f"Name the files: {path}/*.jpg")
    if not path.is_file():
        raise BadData("there is no such file", where=str(path))


def _printable(label: str) -> str:
    """A label without control characters: it comes from a file and goes to a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in label)
