"""``edgeguard export``: a trained network becomes a defended artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from edgeguard.artifact import LAB_TABLE, lab_directory
from edgeguard.calibration.effort import DEFAULT_EFFORT, EFFORTS, REFINEMENTS, EffortName, check_for_tflite, chosen
from edgeguard.calibration.observers import OBSERVERS
from edgeguard.cli.console import Console, print_json
from edgeguard.cli.defending import DEFAULT, defense_options, explain_default
from edgeguard.cli.options import force_option, json_option, model_argument, pairs
from edgeguard.cli.preprocessing import Chosen, numbers, preprocess_options
from edgeguard.cli.summary import manifest_json, print_summary
from edgeguard.defenses.gate import Score
from edgeguard.defenses.registry import answers_from_table, default_defense
from edgeguard.errors import UsageError
from edgeguard.extras import require
from edgeguard.manifest import Format
from edgeguard.targets import DEFAULT_TARGET, TARGETS, find_target

if TYPE_CHECKING:
    from edgeguard.export.request import ExportRequest

__all__ = ["export"]

_REFINEMENT = click.Choice(REFINEMENTS)
_FORMATS: tuple[Format, ...] = ("onnx", "tflite")


def _formats(_: click.Context, parameter: click.Parameter, value: str) -> tuple[Format, ...]:
    chosen = tuple(dict.fromkeys(value.split(",")))
    for name in chosen:
        if name not in _FORMATS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(_FORMATS)}", param=parameter)
    return tuple(name for name in _FORMATS if name in chosen)


@click.command()
@model_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Artifact; default: MODEL.edgeguard.")
@click.option("--int8", is_flag=True, help="Quantize to 8-bit integers.")
@click.option("--defend", is_flag=True, help=f"Defend the answers: by {DEFAULT}, unless --defense says otherwise.")
@defense_options
@click.option("--target", type=click.Choice(list(TARGETS)), default=DEFAULT_TARGET, show_default=True, help="Device.")
@click.option(
    "--format",
    "formats",
    metavar="onnx|tflite",
    default="onnx",
    show_default=True,
    callback=_formats,
    help="Of the model file; onnx,tflite makes NAME-onnx.edgeguard and NAME-tflite.edgeguard.",
)
@click.option(
    "--calibration", type=click.Path(path_type=Path), help="Images for the int8 ranges: folder, .npz (x) or .npy."
)
@click.option("--calibration-limit", type=click.IntRange(min=1), help="Use at most this many, evenly spread.")
@click.option("--observer", type=click.Choice(list(OBSERVERS)), help="Takes the ranges; default: that of --effort.")
@click.option(
    "--effort",
    type=click.Choice(list(EFFORTS)),
    default=DEFAULT_EFFORT,
    show_default=True,
    help="How much is done for the accuracy of int8.",
)
@click.option("--with", "added", multiple=True, type=_REFINEMENT, help="A refinement besides those of --effort.")
@click.option("--without", "left_out", multiple=True, type=_REFINEMENT, help="One of --effort to leave out.")
@click.option(
    "--validation",
    type=click.Path(path_type=Path),
    help="Other images, to tune a defense and measure on: folder, .npz (x, y).",
)
@click.option(
    "--head",
    type=click.Choice(["float", "int8"]),
    help="How logits leave the last layer; default: int8 for a defense that answers from a table, else float.",
)
@click.option("--keep-float", multiple=True, metavar="NODE", help="A node to leave in float.")
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    metavar="PP",
    help="Leave the fewest layers in float that keep int8 within this many points of accuracy on --validation.",
)
@preprocess_options
@click.option("--labels", type=click.Path(path_type=Path), help="Class names: one a line, or a JSON list.")
@click.option("--input-shape", metavar="C,H,W", callback=numbers(int), help="Of one input, if the file does not say.")
@click.option("--arch", metavar="PKG.MODULE:FACTORY", help="Builds the network that a state_dict belongs to.")
@click.option("--arch-arg", multiple=True, metavar="NAME=VALUE", callback=pairs, help="An argument of the factory.")
@click.option("--trust-pickle", is_flag=True, help="Load pickled code. Only for files that you made yourself.")
@force_option
@json_option
def export(
    model: Path,
    output: Path | None,
    int8: bool,
    defend: bool,
    defense: str | None,
    defense_param: tuple[tuple[str, str], ...],
    placement: Literal["graph", "host"],
    budget: float | None,
    gate: Score | Literal["none"] | None,
    key: Path | None,
    queries: Path | None,
    target: str,
    formats: tuple[Format, ...],
    calibration: Path | None,
    calibration_limit: int | None,
    observer: str | None,
    effort: EffortName,
    added: tuple[str, ...],
    left_out: tuple[str, ...],
    validation: Path | None,
    head: Literal["float", "int8"] | None,
    keep_float: tuple[str, ...],
    max_drop: float | None,
    preprocessing: Chosen,
    labels: Path | None,
    input_shape: tuple[int, ...] | None,
    arch: str | None,
    arch_arg: tuple[tuple[str, str], ...],
    trust_pickle: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Turn a trained network into an artifact for a device.

    MODEL is a .pt (state_dict, TorchScript), a .pt2 (ExportedProgram) or a float .onnx file.

    \b
    edgeguard export model.pt2 --int8 --defend --calibration photos/ --preprocess imagenet
    edgeguard export weights.pt --arch mynets:resnet20 --input-shape 3,32,32 --int8 --defend
    edgeguard export model.pt2 --int8 --defend --format onnx,tflite --calibration photos/ --preprocess imagenet
    """
    require("onnx", "export")
    from edgeguard.export.labels import read_labels
    from edgeguard.export.loading import LoadRequest
    from edgeguard.export.pipeline import export as run_export
    from edgeguard.export.request import CalibrationChoice, DefenseChoice, ExportRequest, QuantizationChoice

    defended = defend or defense is not None
    if not int8:
        limited = max_drop is not None
        _refuse_without(
            "--int8",
            {
                "--keep-float": keep_float,
                "--max-drop": limited,
                "--head int8": head == "int8",
                "--with": added,
                "--without": left_out,
            },
        )
    if not defended:
        _refuse_without(
            "--defend",
            {
                "--defense-param": defense_param,
                "--placement host": placement == "host",
                "--budget": budget,
                "--gate": gate,
                "--key": key,
                "--queries": queries,
            },
        )
    name = (defense or default_defense(validated=validation is not None)) if defended else None
    ending = head or ("int8" if name is not None and answers_from_table(name) else "float")
    work = chosen(effort, added, left_out)
    if "tflite" in formats:
        check_for_tflite(work)
    with Console() as console:
        request = ExportRequest(
            load=LoadRequest(model, arch, arch_arg, input_shape, trust_pickle),
            output=output or model.with_suffix(".edgeguard"),
            format=formats[0],
            target=find_target(target),
            preprocess=preprocessing.heard_by(console.warn),
            calibration=CalibrationChoice(calibration, observer or work.observer, calibration_limit),
            quantization=QuantizationChoice(ending, keep_float, max_drop, work) if int8 else None,
            defense=None if name is None else DefenseChoice(name, defense_param, placement, gate, budget, key, queries),
            validation=validation,
            labels=() if labels is None else read_labels(labels),
            replace_existing=force,
        )
        requests = (request,) if len(formats) == 1 else tuple(_one_of_several(request, each) for each in formats)
        made = []
        for each in requests:
            # Whoever comes later finds the table of the first.
            known = lab_directory(requests[0].output) / LAB_TABLE
            choice = replace(each.calibration, known=known)
            made.append((each.output, run_export(replace(each, calibration=choice), console)))
        if defended:
            explain_default(defense, validation, console)
    if as_json:
        found = [{"artifact": str(path), **manifest_json(manifest)} for path, manifest in made]
        print_json(found[0] if len(found) == 1 else {"artifacts": found})
    else:
        for path, manifest in made:
            print_summary(manifest, path)


def _one_of_several(request: ExportRequest, kind: Format) -> ExportRequest:
    stem = request.output.name.removesuffix(".edgeguard")
    return replace(request, format=kind, output=request.output.with_name(f"{stem}-{kind}.edgeguard"))


def _refuse_without(option: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"means nothing without {option}", where=name, fix=f"Add {option}, or leave it out")
