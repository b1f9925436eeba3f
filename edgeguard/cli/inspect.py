"""``edgeguard inspect``: what each layer of an artifact computes in, and what that costs."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.bench import check_output
from edgeguard.cli.console import Console, print_json, printable
from edgeguard.cli.options import artifact_argument, force_option, json_option
from edgeguard.errors import UsageError
from edgeguard.extras import require

if TYPE_CHECKING:
    from edgeguard.export.inspection.columns import Rows
    from edgeguard.export.inspection.report import Inspection

__all__ = ["inspect"]

_path: Any = click.Path(path_type=Path)
# Wide enough to stay readable in a file, where there is no terminal to ask.
_WIDTH = 160
# Every image runs through two networks twice; more of them change no figure that anybody would act on.
_MOST = 128


@click.command()
@artifact_argument
@click.option(
    "--calibration", type=_path, help="Images to watch the layers on: folder, .npz (x) or .npy. Needs the lab."
)
@click.option(
    "--calibration-limit",
    type=click.IntRange(min=1),
    default=_MOST,
    show_default=True,
    help="Use at most this many, evenly spread.",
)
@click.option("--sensitivity", is_flag=True, help="Measure each layer's part in int8's error. Needs --calibration.")
@click.option("--html", "page", type=_path, metavar="FILE", help="Write a page with histograms, too.")
@force_option
@json_option
def inspect(
    artifact: Path,
    calibration: Path | None,
    calibration_limit: int,
    sensitivity: bool,
    page: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Show an artifact layer by layer: range, scale, kernel, work, weights; with images, how far it is from float.

    \b
    edgeguard inspect model.edgeguard
    edgeguard inspect model.edgeguard --calibration photos/ --sensitivity --html layers.html
    """
    require("onnx", "export")
    from edgeguard.artifact import open_artifact
    from edgeguard.calibration.sets import open_set
    from edgeguard.export.inspection.page import inspection_page
    from edgeguard.export.inspection.report import inspect_artifact, measure_layers, measure_parts
    from edgeguard.staging import write_file

    if sensitivity and calibration is None:
        raise UsageError("is measured on images", where="--sensitivity", fix="Add --calibration IMAGES")
    if page is not None:
        check_output(page, force)
    opened = open_artifact(artifact)
    found, words = inspect_artifact(opened), None
    with Console() as console:
        if calibration is not None:
            manifest = opened.manifest
            shape, names = manifest.model.input_shape, manifest.labels
            data = open_set(calibration, manifest.preprocess, shape, limit=calibration_limit, names=names)
            words = f"{len(data)} images of {data.name}"
            console.step(f"watching {len(found.layers)} layers on {words}")
            found = measure_layers(opened, found, data, progress=console.progress)
            if sensitivity:
                console.step("measuring each layer's part in int8's error")
                found = measure_parts(opened, found, data, progress=console.progress)
    if page is not None:
        write_file(page, inspection_page(found, artifact.name, words).encode())
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found, artifact, words)
        if page is not None:
            click.echo(f"written: {page}")


def _as_json(found: Inspection) -> dict[str, Any]:
    content = asdict(found)
    if found.sensitivity is not None:
        content["sensitivity"]["keep_float"] = list(found.sensitivity.keep_float)
    return content


def _print(found: Inspection, artifact: Path, words: str | None) -> None:
    from rich.console import Console as RichConsole

    from edgeguard.export.inspection.columns import layer_rows, part_rows, recommendation

    screen = RichConsole(width=None if os.isatty(1) else _WIDTH, highlight=False)

    def say(text: str) -> None:
        screen.print(printable(text), soft_wrap=True, markup=False)

    say(f"{artifact.name}: {len(found.layers)} layers" + ("" if words is None else f", watched on {words}"))
    screen.print(_table(layer_rows(found)))
    for note in found.notes:
        say(f"not shown: {note}")
    if words is None and not found.notes:
        say("not shown: SQNR and clipped values: they take images (--calibration IMAGES) and the lab")
    if found.sensitivity is not None:
        say("each layer's part in int8's error, at the logits:")
        screen.print(_table(part_rows(found.sensitivity)))
        say(recommendation(found.sensitivity))


def _table(rows: Rows) -> object:
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for column, title in enumerate(rows.header):
        table.add_column(title, justify="left" if column < rows.texts else "right", overflow="fold")
    for row in rows.rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    return table
