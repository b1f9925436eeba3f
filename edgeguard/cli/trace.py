"""``edgeguard trace``: did a suspect learn from answers under this key?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.attacks.trace import (
    DEFAULT_DRAWS,
    DEFAULT_LEVELS,
    LARGEST_SMALLEST_P,
    MOST_LEVELS,
    Trace,
    rank_all,
)
from edgeguard.attacks.trace import trace as compare
from edgeguard.cli.console import Console, print_json, printable
from edgeguard.cli.options import json_option, pairs
from edgeguard.cli.preprocessing import Chosen, numbers, preprocess_options
from edgeguard.errors import UsageError
from edgeguard.extras import require
from edgeguard.keys import read_key

if TYPE_CHECKING:
    import numpy as np

    from edgeguard.attacks.black_box import BlackBox

__all__ = ["trace"]

_MOST_DRAWS = 10_000_000


# No edgeguard.toml: what lies beside a suspect comes from the suspect, and must not decide how it is examined.
@click.command()
@click.argument("suspect", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), required=True, help="Your key, as keygen wrote it.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Queries: a folder of images, .npz (x) or .npy. Labels are not used.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Ask this many, evenly spread.")
@click.option(
    "--levels",
    type=click.IntRange(1, MOST_LEVELS),
    default=DEFAULT_LEVELS,
    show_default=True,
    help="Look for the decoys of so many levels of confidence, from the lowest. More seldom tell more.",
)
@click.option("--classes", type=click.IntRange(min=1), help="Of your model: refuse a suspect with another number.")
@click.option(
    "--draws",
    type=click.IntRange(99, _MOST_DRAWS),
    default=DEFAULT_DRAWS,
    show_default=True,
    help="Random keys to compare with, for more than 10 classes.",
)
@click.option("--seed", type=click.IntRange(0, (1 << 64) - 1), help="Of the random keys; default: another each time.")
@preprocess_options
@click.option("--input-shape", metavar="C,H,W", callback=numbers(int), help="Of one input, if the file does not say.")
@click.option("--arch", metavar="PKG.MODULE:FACTORY", help="Builds the network that a state_dict belongs to.")
@click.option("--arch-arg", multiple=True, metavar="NAME=VALUE", callback=pairs, help="An argument of the factory.")
@click.option("--trust-pickle", is_flag=True, help="Load pickled code. Only for files that you made yourself.")
@json_option
def trace(
    suspect: Path,
    key: Path,
    data: Path | None,
    limit: int | None,
    levels: int,
    classes: int | None,
    draws: int,
    seed: int | None,
    preprocessing: Chosen,
    input_shape: tuple[int, ...] | None,
    arch: str | None,
    arch_arg: tuple[tuple[str, str], ...],
    trust_pickle: bool,
    as_json: bool,
) -> None:
    """Tell whether a suspect learnt from answers that the defense decoy gave under your key.

    SUSPECT is a classifier (.onnx, .tflite, .pt, .pt2), an artifact, or its saved answers: an .npy [n, classes], or an
    .npz with the array answers. Only its answers are looked at: how high it ranks your decoys, less what it would
    confuse anyway, is compared with how high it ranks those of random keys.

    \b
    edgeguard trace clone.onnx --key owner.key --data photos/ --preprocess imagenet
    edgeguard trace answers.npy --key owner.key
    """
    from edgeguard.attacks.black_box import artifact_box, model_box
    from edgeguard.attacks.suspects import ANSWER_SUFFIXES, ask, read_answers
    from edgeguard.calibration.sets import open_set

    owner = read_key(key)
    commitment = owner.commitment
    of_a_file = {"--input-shape": input_shape, "--arch": arch, "--arch-arg": arch_arg, "--trust-pickle": trust_pickle}
    saved = suspect.suffix in ANSWER_SUFFIXES and not suspect.is_dir()
    if saved:
        _refuse("saved answers", {"--data": data, "--limit": limit} | preprocessing.given | of_a_file)
    elif data is None:
        raise UsageError("trace has to ask the suspect something", where="--data", fix="Pass images with --data")
    with Console() as console:

        def answers(asked: BlackBox, queries: Path) -> Iterator[np.ndarray[Any, Any]]:
            images = open_set(queries, asked.preprocess, asked.input_shape, limit=limit, names=asked.labels)
            console.step(f"asking {suspect.name} {len(images)} queries")
            return ask(asked, images, console.progress)

        if data is None:
            blocks = read_answers(suspect)
        elif suspect.is_dir():
            _refuse("an artifact", preprocessing.given | of_a_file)
            blocks = answers(artifact_box(suspect), data)
        else:
            require("onnx", "export")
            from edgeguard.export.loading import LoadRequest

            request = LoadRequest(suspect, arch, arch_arg, input_shape, trust_pickle, accepts="quantized")
            chosen = preprocessing.heard_by(console.warn)
            blocks = answers(model_box(request, chosen), data)
        ranks, queries = rank_all(blocks, str(suspect), classes=classes)
        console.step("comparing your key with random ones")
        drawn_by = secrets.randbits(64) if seed is None else seed
        found = compare(ranks, queries, owner, levels=levels, draws=draws, seed=drawn_by)
    if as_json:
        print_json({"suspect": str(suspect), "commitment": commitment, **asdict(found)})
    else:
        _print(found, suspect.name, commitment)


def _refuse(kind: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"means nothing for {kind}", where=name, fix="Leave it out")


def _print(found: Trace, name: str, commitment: str) -> None:
    if found.draws is None:
        method = f"compared with all keys for {found.classes} classes"
    else:
        method = f"compared with {found.draws:,} random keys, seed {found.seed}"
    click.echo(
        f"{printable(name)}: {found.classes} classes, {found.counted} of {found.queries} queries counted, "
        f"answered with {found.covered} {'class' if found.covered == 1 else 'classes'}"
    )
    click.echo(f"key commitment {commitment}")
    click.echo(f"decoys rank higher by   {found.score:+.3f}, where chance gives {found.expected_score:+.3f} on average")
    click.echo(f"p                       {found.p:.2g}   ({method})")
    click.echo(
        f"smallest p              {found.attainable_p:.2g} with these answers, {found.smallest_p:.2g} with the best"
    )
    if found.attainable_p > LARGEST_SMALLEST_P:
        click.echo(
            f"No key could get a p of {LARGEST_SMALLEST_P:g} with these answers, so that they prove nothing. "
            "Ask more queries, of more classes."
        )
    click.echo("p is the probability that a model which never saw answers under this key matches it at least as well.")
