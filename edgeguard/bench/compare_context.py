"""Under which conditions something was measured, and whether two measurements may be compared at all.

What a change of the software under test cannot move is *decisive*: the machine, how many of its CPUs were used and
how, the size of the work. Where such a field differs, so does what was measured, and a ratio of the two would answer
no question. What one changes on purpose and then compares is *told*: versions, models, the defense. So is what
explains a difference without being anybody's choice: kernel, memory, the frequency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from edgeguard.bench.result import Result
from edgeguard.bench.variants import Variant
from edgeguard.errors import UsageError

__all__ = ["DECISIVE", "NOT_SAID", "Context", "Difference", "check_comparable", "differences", "result_context"]

NOT_SAID = "not said"

# Field to what it means. A field that only one kind of file has is left out where neither file says it.
DECISIVE: dict[str, str] = {
    "device_kind": "board, emulated or host",
    "board": "the board's name in the device tree",
    "platform": "operating system and architecture",
    "cpu": "the CPU's name and, on Arm, its part number",
    "dot_product": "whether the CPU multiplies and adds int8 in one instruction",
    "virtual": "whether a hypervisor runs the machine",
    "cpus": "number of logical CPUs",
    "affinity": "the CPUs that could be used",
    "governor": "frequency governor",
    "threads": "threads inside an operator",
    "spinning": "whether idle threads spin",
    "batch": "inputs per run",
    "input_shape": "shape of one input",
}


@dataclass(frozen=True, slots=True)
class Context:
    """The conditions of one measurement, as text to be shown.

    :param decisive: some of :data:`DECISIVE`.
    :param told: everything else worth knowing when it differs.
    """

    decisive: Mapping[str, str]
    told: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse fields that nobody could ask to ignore."""
        unknown = sorted(set(self.decisive) - set(DECISIVE))
        if unknown:
            raise ValueError(f"no decisive field is called {unknown[0]!r}")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs, with both values."""

    field: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.field}: {self.old} -> {self.new}"


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Difference, ...]:
    """Fields whose values differ, in the order of ``old``; what one of them does not say differs from what it could."""
    names = dict.fromkeys([*old, *new])
    pairs = [(name, old.get(name, NOT_SAID), new.get(name, NOT_SAID)) for name in names]
    return tuple(Difference(name, before, after) for name, before, after in pairs if before != after)


def check_comparable(old: Context, new: Context, ignored: Sequence[str] = ()) -> tuple[Difference, ...]:
    """The decisive differences that the user chose to ignore.

    :param ignored: names of decisive fields that may differ.
    :raises UsageError: a field differs that is not ignored, or ``ignored`` names none.
    """
    unknown = sorted(set(ignored) - set(DECISIVE))
    if unknown:
        raise UsageError(
            f"no field is called {unknown[0]!r}", where="--ignore", fix=f"There are: {', '.join(sorted(DECISIVE))}"
        )
    found = differences(old.decisive, new.decisive)
    refused = [entry for entry in found if entry.field not in ignored]
    if refused:
        options = " ".join(f"--ignore {entry.field}" for entry in refused)
        raise UsageError(
            f"the two cannot be compared, {'; '.join(map(str, refused))}",
            fix=f"Measure both under the same conditions, or compare anyway with {options}",
        )
    return found


def result_context(result: Result) -> Context:
    """The conditions of a benchmark of ours."""
    device, plan, artifact = result.device, result.plan, result.artifact
    name = device.cpu.model or NOT_SAID
    decisive = {
        "device_kind": result.device_kind,
        "board": device.model or NOT_SAID,
        "platform": f"Linux {device.machine}",
        "cpu": name if device.cpu.part is None else f"{name} ({device.cpu.part})",
        "dot_product": _yes(device.cpu.dot_product),
        "virtual": _yes(device.virtual),
        "cpus": str(device.cpus),
        "affinity": ",".join(map(str, device.affinity)),
        "governor": "+".join(result.before.governor) or NOT_SAID,
        "threads": str(plan.threads),
        "spinning": _yes(plan.spinning),
        "batch": str(artifact.batch),
        "input_shape": "x".join(map(str, artifact.input_shape)),
    }
    return Context(decisive, _told(result))


def _told(result: Result) -> dict[str, str]:
    device, artifact = result.device, result.artifact
    parts = (artifact.defense, f"version {artifact.defense_version}", f"in the {artifact.placement}")
    codes = ", ".join(reason.code for reason in result.verdict.reasons)
    return {
        "artifact": artifact.name,
        "target": artifact.target,
        "defense": "none" if artifact.defense is None else " ".join(map(str, parts)),
        "engine": ", ".join(sorted({_engine(variant) for variant in result.variants})),
        **{f"model of {variant.name}": variant.sha256[:12] for variant in result.variants},
        **result.tools,
        "system": device.system or NOT_SAID,
        "kernel": device.kernel,
        "cpu features": " ".join(device.cpu.features) or NOT_SAID,
        # The kernel keeps a few MiB for itself, another few with each version.
        "memory": f"{device.memory_kib / (1 << 20):.1f} GiB",
        "highest frequency": _megahertz(device.frequency_max_khz),
        "frequency under load": _megahertz(_under_load(result)),
        "effort": result.plan.effort,
        "verdict": f"{result.verdict.status} ({codes})" if codes else result.verdict.status,
    }


def _engine(variant: Variant) -> str:
    return variant.engine if variant.kernels is None else f"{variant.engine} ({variant.kernels})"


def _under_load(result: Result) -> float | None:
    readings = [reading for process in result.processes for reading in process.window.frequency_khz]
    return median(readings) if readings else None


def _megahertz(khz: float | None) -> str:
    """To 100 MHz, the step of a Pi: readings of a CPU that does not hold one frequency always differ by a little."""
    return NOT_SAID if khz is None else f"{round(khz / 1e5) * 100} MHz"


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: NOT_SAID}[value]
