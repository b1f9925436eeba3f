"""``edgeguard export``: a trained network becomes a defended artifact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from edgeguard.calibration.observers import DEFAULT_OBSERVER, OBSERVERS
from edgeguard.cli.console import Console, print_json
from edgeguard.cli.options import force_option, json_option, model_argument
from edgeguard.cli.preprocessing import Chosen, numbers, preprocess_options
from edgeguard.defenses.registry import DEFAULT_DEFENSE, DEFENSES
from edgeguard.errors import UsageError
from edgeguard.extras import require
from edgeguard.preprocess import Layout
from edgeguard.targets import DEFAULT_TARGET, TARGETS, find_target

if TYPE_CHECKING:
    from edgeguard.manifest import Manifest

__all__ = ["export"]


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE", param=parameter)
        pairs.append((key, text))
    return tuple(pairs)


@click.command()
@model_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Artifact; default: MODEL.edgeguard.")
@click.option("--int8", is_flag=True, help="Quantize to 8-bit integers.")
@click.option("--defend", is_flag=True, help=f"Defend the answers; alone it means --defense {DEFAULT_DEFENSE}.")
@click.option("--defense", type=click.Choice(list(DEFENSES)), help="Which defense; implies --defend.")
@click.option("--defense-param", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="A defense's parameter.")
@click.option(
    "--placement", type=click.Choice(["graph", "host"]), default="graph", help="Defend in the file, or after it."
)
@click.option("--target", type=click.Choice(list(TARGETS)), default=DEFAULT_TARGET, show_default=True, help="Device.")
@click.option("--format", "formats", type=click.Choice(["onnx"]), default="onnx", help="Model format.")
@click.option(
    "--calibration", type=click.Path(path_type=Path), help="Images for the int8 ranges: folder, .npz (x) or .npy."
)
@click.option("--calibration-limit", type=click.IntRange(min=1), help="Use at most this many, evenly spread.")
@click.option("--observer", type=click.Choice(list(OBSERVERS)), default=DEFAULT_OBSERVER, show_default=True)
@click.option("--validation", type=click.Path(path_type=Path), help="Other images, to measure on: folder, .npz (x, y).")
@click.option("--head", type=click.Choice(["float", "int8"]), default="float", help="How logits leave the last layer.")
@click.option("--keep-float", multiple=True, metavar="NODE", help="A node to leave in float.")
@preprocess_options
@click.option("--labels", type=click.Path(path_type=Path), help="Class names: one a line, or a JSON list.")
@click.option("--input-shape", metavar="C,H,W", callback=numbers(int), help="Of one input, if the file does not say.")
@click.option("--arch", metavar="PKG.MODULE:FACTORY", help="Builds the network that a state_dict belongs to.")
@click.option("--arch-arg", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="An argument of the factory.")
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
    target: str,
    formats: str,
    calibration: Path | None,
    calibration_limit: int | None,
    observer: str,
    validation: Path | None,
    head: Literal["float", "int8"],
    keep_float: tuple[str, ...],
    preprocess: str | None,
    crop: float | None,
    colour: str | None,
    layout: Layout,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    scale: float | None,
    resample: str | None,
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
    """
    del formats  # one so far; the option is there so that scripts can name it
    require("onnx", "export")
    from edgeguard.export.labels import read_labels
    from edgeguard.export.loading import LoadRequest
    from edgeguard.export.pipeline import export as run_export
    from edgeguard.export.request import CalibrationChoice, DefenseChoice, ExportRequest, QuantizationChoice

    defended = defend or defense is not None
    if not int8:
        _refuse_without("--int8", {"--keep-float": keep_float, "--head int8": head == "int8"})
    if not defended:
        _refuse_without("--defend", {"--defense-param": defense_param, "--placement host": placement == "host"})
    with Console() as console:
        request = ExportRequest(
            load=LoadRequest(model, arch, arch_arg, input_shape, trust_pickle),
            output=output or model.with_suffix(".edgeguard"),
            target=find_target(target),
            preprocess=Chosen(preprocess, crop, colour, layout, mean, std, scale, resample, console.warn),
            calibration=CalibrationChoice(calibration, observer, calibration_limit),
            quantization=QuantizationChoice(head, keep_float) if int8 else None,
            defense=DefenseChoice(defense or DEFAULT_DEFENSE, defense_param, placement) if defended else None,
            validation=validation,
            labels=() if labels is None else read_labels(labels),
            replace_existing=force,
        )
        manifest = run_export(request, console)
    if as_json:
        print_json({"artifact": str(request.output), **_facts(manifest)})
    else:
        _print(manifest, request.output)


def _refuse_without(option: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"means nothing without {option}", where=name, fix=f"Add {option}, or leave it out")


def _facts(manifest: Manifest) -> dict[str, Any]:
    import json

    from edgeguard.manifest import write_manifest

    content: dict[str, Any] = json.loads(write_manifest(manifest))
    return content


def _print(manifest: Manifest, output: Path) -> None:
    lines = [f"{output}"]
    if manifest.quantization is not None:
        facts = manifest.quantization
        lines.append(
            f"  int8: {facts.float_bytes / 1024:.0f} -> {facts.int8_bytes / 1024:.0f} KiB, "
            f"{facts.integer_mac_share:.1%} of multiply-accumulates in integer kernels"
        )
    if manifest.calibration is not None:
        calibration = manifest.calibration
        halves = calibration.halves_difference
        lines.append(
            f"  calibration: {calibration.images} {calibration.source}, {calibration.observer}"
            + ("" if halves is None else f"; two halves differ by up to {halves:.1%} ({calibration.halves_tensor})")
        )
    if manifest.defense is not None:
        record = manifest.defense
        settings = [f"{name}={value}" for name, value in record.parameters.items()]
        lines.append(f"  defense: {', '.join([record.name, *settings])}; placement {record.placement}")
    if manifest.measured is not None:
        lines.extend(_measured_lines(manifest))
    lines.append(f"  next: edgeguard verify {output}; edgeguard bench {output}")
    click.echo("\n".join(lines))


def _measured_lines(manifest: Manifest) -> list[str]:
    measured = manifest.measured
    assert measured is not None
    on = f"{measured.images} {measured.on} images"
    lines = [f"  agreement with the float model: {measured.agreement:.2%} of {on}"]
    if measured.accuracy is not None and measured.accuracy_float is not None:
        lines.append(
            f"  accuracy: float {measured.accuracy_float:.2%}, undefended {measured.accuracy_undefended:.2%}, "
            f"deployed {measured.accuracy:.2%}"
        )
    if measured.flips is not None:
        lines.append(
            f"  the defense flips {measured.flips:.2%} of the classes and moves a posterior by L1 "
            f"{measured.l1_mean:.3f} on average, {measured.l1_max:.3f} at most"
        )
    return lines
