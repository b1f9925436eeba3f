"""``edgeguard defend``: an existing ONNX or TFLite classifier gets a defense and stays what it was otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from edgeguard.calibration.observers import DEFAULT_OBSERVER
from edgeguard.cli.console import Console, print_json
from edgeguard.cli.defending import defense_options, explain_default
from edgeguard.cli.options import force_option, json_option, model_argument
from edgeguard.cli.preprocessing import Chosen, numbers, preprocess_options
from edgeguard.cli.summary import manifest_json, print_summary
from edgeguard.defenses.gate import Score
from edgeguard.defenses.registry import default_defense
from edgeguard.errors import BadModel
from edgeguard.extras import require
from edgeguard.targets import DEFAULT_TARGET, TARGETS, find_target

__all__ = ["defend"]


@click.command()
@model_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Artifact; default: MODEL.edgeguard.")
@defense_options
@click.option("--target", type=click.Choice(list(TARGETS)), default=DEFAULT_TARGET, show_default=True, help="Device.")
@click.option(
    "--validation",
    type=click.Path(path_type=Path),
    help="Images to tune and measure on, which the network was not trained on: folder, .npz (x, y), .npy.",
)
@preprocess_options
@click.option("--labels", type=click.Path(path_type=Path), help="Class names: one a line, or a JSON list.")
@click.option("--input-shape", metavar="C,H,W", callback=numbers(int), help="Of one input, if the file does not say.")
@force_option
@json_option
def defend(
    model: Path,
    output: Path | None,
    defense: str | None,
    defense_param: tuple[tuple[str, str], ...],
    placement: Literal["graph", "host"],
    budget: float | None,
    gate: Score | Literal["none"] | None,
    key: Path | None,
    queries: Path | None,
    target: str,
    validation: Path | None,
    preprocessing: Chosen,
    labels: Path | None,
    input_shape: tuple[int, ...] | None,
    force: bool,
    as_json: bool,
) -> None:
    """Defend the answers of an existing ONNX or TFLite classifier, float or quantized, whoever exported it.

    The network computes as it did up to its logits; only what it returns changes. To quantize as well, or to begin
    with a .pt file, use export.

    \b
    edgeguard defend classifier_int8.onnx --defense label --validation photos/ --preprocess imagenet
    edgeguard defend mobilenet_quant.tflite --defense label --validation photos/ --preprocess mobilenet-v1
    """
    require("onnx", "export")
    from edgeguard.export.labels import read_labels
    from edgeguard.export.loading import LoadRequest
    from edgeguard.export.loading.files import sniff
    from edgeguard.export.pipeline import export as run_export
    from edgeguard.export.prepare import leave_alone
    from edgeguard.export.request import CalibrationChoice, DefenseChoice, ExportRequest

    if sniff(model) == "torch-zip":
        raise BadModel(
            "is a torch file; defend takes ONNX and TFLite classifiers",
            where=str(model),
            fix="Use edgeguard export --defend",
        )
    name = defense or default_defense(validated=validation is not None)
    with Console() as console:
        request = ExportRequest(
            load=LoadRequest(model, input_shape=input_shape, accepts="quantized"),
            output=output or model.with_suffix(".edgeguard"),
            target=find_target(target),
            preprocess=preprocessing.heard_by(console.warn),
            calibration=CalibrationChoice(None, DEFAULT_OBSERVER),
            quantization=None,
            defense=DefenseChoice(name, defense_param, placement, gate, budget, key, queries),
            validation=validation,
            labels=() if labels is None else read_labels(labels),
            replace_existing=force,
        )
        manifest = run_export(request, console, prepare=leave_alone)
        explain_default(defense, validation, console)
    if as_json:
        print_json({"artifact": str(request.output), **manifest_json(manifest)})
    else:
        print_summary(manifest, request.output)
