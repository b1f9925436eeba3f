"""``edgeguard attack``: what one thief gets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import Console, print_json, printable
from edgeguard.cli.options import force_option, json_option, pairs
from edgeguard.cli.preprocessing import Chosen, numbers, preprocess_options
from edgeguard.errors import UsageError
from edgeguard.extras import require

if TYPE_CHECKING:
    from edgeguard.attacks.loot import Loot
    from edgeguard.attacks.one_theft import Asked

__all__ = ["attack"]

_DEFAULT_QUERIES = 10_000


# No edgeguard.toml: an attack is the thief's, and what lies beside the victim is its owner's.
@click.command()
@click.argument("victim", type=click.Path(path_type=Path))
@click.option("--transfer-set", type=click.Path(path_type=Path), help="The thief's images: a folder, .npz (x) or .npy.")
@click.option("--test", type=click.Path(path_type=Path), help="Labelled images that the clone is measured on.")
@click.option("--strategy", default="naive", show_default=True, help="What he makes of his answers.")
@click.option("--choice", default="random", show_default=True, help="How he chooses what to ask.")
@click.option("--data-free", help="Attack without images: dfme or maze. Takes the place of the three above.")
@click.option("--queries", type=click.IntRange(min=1), help=f"To ask; default: {_DEFAULT_QUERIES}, or all images.")
@click.option("--student", default="resnet20/4", show_default=True, help="Architecture of the clone, and its width.")
@click.option("--epochs", type=click.IntRange(min=1), default=24, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=0.1, show_default=True)
@click.option(
    "--augmentation", type=click.Choice(["none", "shift", "mirror-shift"]), default="mirror-shift", show_default=True
)
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: VICTIM.theft.")
@preprocess_options
@click.option("--input-shape", metavar="C,H,W", callback=numbers(int), help="Of one input, if the file does not say.")
@click.option("--arch", metavar="PKG.MODULE:FACTORY", help="Builds the network that a state_dict belongs to.")
@click.option("--arch-arg", multiple=True, metavar="NAME=VALUE", callback=pairs, help="An argument of the factory.")
@click.option("--trust-pickle", is_flag=True, help="Load pickled code. Only for files that you made yourself.")
@force_option
@json_option
def attack(
    victim: Path,
    transfer_set: Path | None,
    test: Path | None,
    strategy: str,
    choice: str,
    data_free: str | None,
    queries: int | None,
    student: str,
    epochs: int,
    batch: int,
    rate: float,
    augmentation: Any,
    precision: Any,
    seed: int,
    output: Path | None,
    preprocessing: Chosen,
    input_shape: tuple[int, ...] | None,
    arch: str | None,
    arch_arg: tuple[tuple[str, str], ...],
    trust_pickle: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Steal VICTIM through its answers: an artifact, or a classifier (.onnx, .pt, .pt2), which answers undefended.

    The thief knows an artifact's defense and its parameters, but not its key. The clone and a report are saved.

    \b
    edgeguard attack model.edgeguard --transfer-set photos/ --test labelled/ --strategy recovery
    edgeguard attack model.edgeguard --data-free dfme --queries 500000 --student lenet
    """
    require("torch", "attacks")
    require("onnx", "export")
    from edgeguard.attacks import one_theft
    from edgeguard.attacks.loot import write_loot
    from edgeguard.attacks.recipe import Recipe
    from edgeguard.attacks.students.registry import parse_student
    from edgeguard.attacks.training import slow_here
    from edgeguard.staging import check_free

    chosen = parse_student(student)
    recipe = Recipe(epochs, batch, rate, augmentation=augmentation, precision=precision)
    plan = one_theft.plan(strategy, choice, data_free, transfer_set, queries)
    place = output or victim.with_name(f"{victim.name.removesuffix('.edgeguard').removesuffix(victim.suffix)}.theft")
    check_free(place, replace_existing=force)
    with Console() as console:
        if (reason := slow_here(recipe)) is not None:
            console.warn(reason)
        if victim.is_dir():
            of_a_file = {"--input-shape": input_shape, "--arch": arch, "--arch-arg": arch_arg}
            _refuse("an artifact", preprocessing.given | of_a_file | {"--trust-pickle": trust_pickle})
            asked: Asked = one_theft.artifact_victim(victim)
        else:
            from edgeguard.export.loading import LoadRequest

            request = LoadRequest(victim, arch, arch_arg, input_shape, trust_pickle, accepts="float")
            asked = one_theft.model_victim(request, preprocessing.heard_by(console.warn))
        console.step(f"attacking {victim.name}: {plan.told}")
        clone, loot = one_theft.commit(asked, plan, chosen, recipe, seed, test, console.step)
        console.step(f"writing {place}")
        write_loot(
            clone,
            chosen,
            loot,
            input_shape=asked.box.input_shape,
            classes=asked.classes,
            output=place,
            replace_existing=force,
        )
    if as_json:
        print_json({"output": str(place), **loot.as_json()})
    else:
        _print(loot, place)


def _refuse(kind: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"means nothing for {kind}", where=name, fix="Leave it out")


def _print(loot: Loot, place: Path) -> None:
    click.echo(f"{printable(loot.victim)}: {loot.queries} queries, attack {loot.attack}, student {loot.student}")
    if loot.theft is not None:
        click.echo(f"{'accuracy of the clone':34}{loot.theft.accuracy:8.2%}")
        click.echo(f"{'fidelity (answers as the victim)':34}{loot.theft.fidelity:8.2%}")
    if loot.utility is not None:
        click.echo(f"{'accuracy of the victim':34}{loot.utility.accuracy:8.2%}")
        click.echo(f"{'  without its defense':34}{loot.utility.undefended:8.2%}")
    if loot.exposure is not None:
        of = asdict(loot.exposure)
        click.echo(f"{'labels of the queries changed':34}{of['flips']:8.2%}")
        click.echo(f"{'L1 of the answers bought':34}{of['l1']:8.4f}   (as the thief reads them: {of['l1_read']:.4f})")
        click.echo(f"{'bits per query, at most':34}{of['bits']:8.2f}   ({of['distinct']} different answers)")
    click.echo(str(place))
