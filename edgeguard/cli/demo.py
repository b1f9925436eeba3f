"""``edgeguard demo``: the whole story on a small network, with the very commands a user would type."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import click
import numpy as np

from edgeguard.errors import EdgeguardError, InvalidMeasurement, UsageError
from edgeguard.staging import write_file

__all__ = ["demo"]

_ARTIFACT = "model.edgeguard"


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Directory for the demo's files; those of an earlier demo are replaced.",
)
def demo(output: Path) -> None:
    """Train a small network, export it defended and in int8, verify it, ask it, measure it.

    Needs the extra 'demo' (pip install 'edgeguard[demo]'); takes about a minute.
    """
    from edgeguard.cli.digits import load_digits, train

    digits = load_digits()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot be made: {error.strerror}", where=str(output), fix="Choose another -o") from None
    _say(f"Training a small CNN on {len(digits.train[0]):,} handwritten digits ...")
    write_file(output / "model.pt", train(*digits.train))
    write_file(output / "calibration.npz", _archive(*digits.calibration))
    write_file(output / "validation.npz", _archive(*digits.validation))
    write_file(output / "digit.png", _picture(digits.validation[0][0]))
    write_file(output / "labels.txt", "".join(f"digit {number}\n" for number in range(10)).encode())

    _say("Exporting to int8, with the defense as a part of the graph; calibration.npz beside the model is found.")
    _run(output, "export", "model.pt", "--int8", "--defend", "--preprocess", "unit", "--validation", "validation.npz",
         "--labels", "labels.txt", "-o", _ARTIFACT, "--force")  # fmt: skip
    _say("Verifying: digests, the form of the answers, and golden answers that a device must reproduce.")
    _run(output, "verify", _ARTIFACT)
    _say("Asking it about one picture, as a client of the prediction API would.")
    _run(output, "run", _ARTIFACT, "digit.png", "--top", "3")
    _say("Measuring what the defense and int8 cost in accuracy.")
    _run(output, "accuracy", _ARTIFACT, "--data", "validation.npz")
    _say("Measuring what they cost in time: float, int8 and defended in turn, in several fresh processes.")
    code = _run(output, "bench", _ARTIFACT, "--effort", "quick", "--force", accept=InvalidMeasurement.exit_code)
    if code == InvalidMeasurement.exit_code:
        _say("This machine was too busy for figures to be trusted; edgeguard says so instead of printing nice ones.")
    _say(_ending(output))


def _ending(output: Path) -> str:
    return f"""Done. {output / _ARTIFACT} is what goes onto the device; {output / "model.lab"} stays here.

The answers of model.onnx are defended wherever it runs, also with plain onnxruntime. Whoever can read the file itself
can cut the defense off: edgeguard protects the prediction API.

Your own network next:
  edgeguard export YOUR_MODEL.pt --int8 --defend --calibration YOUR_IMAGES/ --preprocess imagenet
  edgeguard export --help      every option, among them --arch for a state_dict and --target for a board
  edgeguard targets            the boards
  edgeguard defenses           the defenses and their parameters"""


def _say(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


def _run(directory: Path, *arguments: str, accept: int = 0) -> int:
    """Run one command of edgeguard in the demo's directory and show it.

    :param accept: an exit code that is fine, besides 0.
    :raises EdgeguardError: it ended otherwise.
    """
    click.echo(f"$ edgeguard {' '.join(arguments)}")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "edgeguard.cli", *arguments], cwd=directory, check=False)
    if done.returncode not in (0, accept):
        raise EdgeguardError(
            f"edgeguard {arguments[0]} ended with exit code {done.returncode}", fix="Please report what it printed"
        )
    return done.returncode


def _archive(images: np.ndarray, labels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=images, y=labels)
    return stream.getvalue()


def _picture(image: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()
