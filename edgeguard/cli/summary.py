"""What a command that makes an artifact says about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgeguard.defenses.record import Tuning
    from edgeguard.manifest import Manifest, RefinementFacts

__all__ = ["manifest_json", "print_summary"]


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """A manifest as JSON data."""
    import json

    from edgeguard.manifest import write_manifest

    content: dict[str, Any] = json.loads(write_manifest(manifest))
    return content


def print_summary(manifest: Manifest, output: Path) -> None:
    """What was made, and what to do next, for a person."""
    lines = [f"{output}"]
    if manifest.quantization is not None:
        facts = manifest.quantization
        lines.append(
            f"  int8: {facts.float_bytes / 1024:.0f} -> {facts.int8_bytes / 1024:.0f} KiB, "
            f"{facts.integer_mac_share:.1%} of multiply-accumulates in integer kernels"
        )
        lines.extend(_refinement_line(each) for each in facts.refinements)
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
        gated = "" if record.gate is None else f"; gate {record.gate.score}"
        lines.append(f"  defense: {', '.join([record.name, *settings])}{gated}; placement {record.placement}")
        if record.tuning is not None:
            lines.extend(_tuning_lines(record.tuning))
    if manifest.measured is not None:
        lines.extend(_measured_lines(manifest))
    lines.append(f"  next: edgeguard verify {output}; edgeguard bench {output}")
    click.echo("\n".join(lines))


def _refinement_line(facts: RefinementFacts) -> str:
    if facts.sqnr_before is None or facts.sqnr_after is None:
        return f"  refined: {facts.name}"
    gain = f"logits {facts.sqnr_before:.1f} -> {facts.sqnr_after:.1f} dB above their noise"
    return f"  refined: {facts.name}, {gain}{'' if facts.kept else ', therefore left out'}"


def _tuning_lines(tuning: Tuning) -> list[str]:
    against = {"labels": "right", "agreement": "as the float model has them", "every": "answered at all"}
    lines = [f"  tuned on {tuning.images} validation images; counted are those {against[tuning.counted]}"]
    if tuning.budget is not None:
        lines.append(
            f"  budget {tuning.budget:g} pp, spent on {tuning.tuned}: {tuning.lost} images lost, which proves at most "
            f"{tuning.bound:.2f} pp (95 %)"
        )
    if tuning.reference_gated is not None:
        lines.append(
            f"  the gate closes on {tuning.reference_gated:.1%} of {tuning.reference_images} reference inputs "
            f"({tuning.reference}); its wrong class has {tuning.wrong_class_bits:.1f} bits given the honest one"
        )
    return lines


def _measured_lines(manifest: Manifest) -> list[str]:
    measured = manifest.measured
    assert measured is not None
    on = f"{measured.images} {measured.on} images"
    named = (
        ("float", measured.accuracy_float),
        ("undefended", measured.accuracy_undefended),
        ("deployed", measured.accuracy),
    )
    known = [f"{name} {value:.2%}" for name, value in named if value is not None]
    # Only a model that came quantized has an accuracy, but none in float.
    came = "float model" if measured.accuracy is None or measured.accuracy_float is not None else "model as it came"
    lines = [f"  agreement with the {came}: {measured.agreement:.2%} of {on}"]
    if known:
        lines.append(f"  accuracy: {', '.join(known)}")
    if measured.flips is not None:
        lines.append(
            f"  the defense flips {measured.flips:.2%} of the classes and moves a posterior by L1 "
            f"{measured.l1_mean:.3f} on average, {measured.l1_max:.3f} at most"
        )
    if measured.ece is not None and measured.ece_undefended is not None and measured.flips is not None:
        lines.append(f"  calibration error: undefended {measured.ece_undefended:.4f}, deployed {measured.ece:.4f}")
    if measured.distinct_answers is not None and measured.bits_per_query is not None:
        lines.append(
            f"  {measured.distinct_answers} different answers: at most {measured.bits_per_query:.1f} bits a query"
        )
    return lines
