"""``edgeguard accuracy``: what an artifact's answers are worth on images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import Console, print_json
from edgeguard.cli.options import artifact_argument, json_option, threads_option

if TYPE_CHECKING:
    from edgeguard.calibration.accuracy import AccuracyReport, Share

__all__ = ["accuracy"]


@click.command()
@artifact_argument
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Images: class folders, or an .npz with x and y. Without labels: a flat folder, .npy.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Take this many, evenly spread.")
@threads_option
@json_option
def accuracy(artifact: Path, data: Path, limit: int | None, threads: int, as_json: bool) -> None:
    """Accuracy, agreement with the float network and calibration error of an artifact's answers.

    With its lab beside it, the network without the defense and the float network answer the same images.
    """
    from edgeguard.artifact import open_artifact
    from edgeguard.calibration.accuracy import measure_accuracy
    from edgeguard.calibration.sets import open_set
    from edgeguard.runtimes.loading import load_opened

    opened = open_artifact(artifact)
    runtime = load_opened(opened, threads=threads)
    manifest = opened.manifest
    images = open_set(data, manifest.preprocess, manifest.model.input_shape, limit=limit, names=manifest.labels)
    with Console() as console:
        report = measure_accuracy(opened, runtime, images, progress=console.progress)
    if as_json:
        print_json(_as_json(report))
    else:
        _print(report, images.name)


def _as_json(report: AccuracyReport) -> dict[str, Any]:
    shares = ("accuracy", "accuracy_undefended", "accuracy_float", "agreement", "flips")
    return {
        "images": report.images,
        **{name: _share_json(getattr(report, name)) for name in shares},
        **{name: getattr(report, name) for name in ("l1_mean", "l1_max", "ece", "ece_undefended", "ece_float")},
        "skipped": list(report.skipped),
    }


def _share_json(share: Share | None) -> dict[str, Any] | None:
    if share is None:
        return None
    return {"value": share.value, "interval95": list(share.interval), "count": share.count, "total": share.total}


def _print(report: AccuracyReport, name: str) -> None:
    click.echo(f"{report.images} images of {name}")
    rows = [
        ("accuracy", report.accuracy),
        ("  without the defense", report.accuracy_undefended if report.flips is not None else None),
        ("  float network", report.accuracy_float),
        ("agreement with the float network", report.agreement),
        ("argmax changed by the defense", report.flips),
    ]
    for text, share in rows:
        if share is not None:
            low, high = share.interval
            click.echo(f"{text:34}{share.value:8.2%}   (95 %: {low:.2%} to {high:.2%})")
    if report.l1_mean is not None:
        click.echo(f"{'L1 distance made by the defense':34}{report.l1_mean:8.4f}   (at most {report.l1_max:.4f})")
    errors = [
        ("calibration error (ECE, 15 bins)", report.ece),
        ("  without the defense", report.ece_undefended if report.flips is not None else None),
        ("  float network", report.ece_float),
    ]
    for text, error in errors:
        if error is not None:
            click.echo(f"{text:34}{error:8.4f}")
    for reason in report.skipped:
        click.echo(f"not measured: {reason}")
