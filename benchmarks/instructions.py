"""Instructions per inference on the cores of the Raspberry Pi: float, int8 in both forms, and every defense.

    .venv/bin/python benchmarks/instructions.py --reference ../shared/reference --write

Counted on the emulated device, one thread, batch 1: user-space instructions that retire, by the CPU's own counter. They
repeat to a tenth of a percent and know neither caches nor how many instructions a core issues at once: a proxy of the
cost, and no latency. Prints ``NET VARIANT CORE COUNT``. Each core is booted twice; how far the two differ is told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.cost.networks import NETS, Net, exact, pictures, quantized
from benchmarks.cost.on_device import count_instructions
from benchmarks.cost.variants import CONTROLS, PLAIN, variants
from device_tests.emulator.image import build
from device_tests.emulator.machine import start
from device_tests.emulator.qemu import CORES
from device_tests.provision import provision
from edgeguard.defenses.head import Head
from edgeguard.export.head import attach
from edgeguard.fleet.address import parse_address
from edgeguard.fleet.ssh import Ssh
from edgeguard.targets import DEFAULT_TARGET, find_target

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "instructions.md"
COUNTED = ("resnet20", "resnet8", "mobilenet")
FLOAT, SIGNED = "float", "int8 S8S8"
# What the variants of `benchmarks.cost.variants` are called here.
_CALLED = {PLAIN["float"]: "int8 U8S8", PLAIN["int8"]: "int8 U8S8, integer head"}
_ROUNDS = 7
_INPUTS = 4


@dataclass(frozen=True)
class Counts:
    """Of one network on one core.

    :param first: variant to instructions per inference; ``second``: the same after another boot.
    """

    net: str
    core: str
    first: Mapping[str, float]
    second: Mapping[str, float]

    @property
    def moved(self) -> float:
        """The largest relative difference between the two boots."""
        return max(abs(self.second[name] / value - 1) for name, value in self.first.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--nets", nargs="+", choices=sorted(NETS), default=COUNTED, metavar="NET")
    parser.add_argument("--cores", nargs="+", choices=CORES, default=CORES, metavar="CORE")
    parser.add_argument("--scratch", type=Path, help="where models are kept")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        nets = [NETS[name] for name in options.nets]
        models = {net.name: dict(models_of(net, options.reference, scratch)) for net in nets}
        counts = [each for core in options.cores for each in counts_on(core, nets, models)]
    if options.write:
        RESULT.write_text(report(counts))


def models_of(net: Net, reference: Path, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Every variant of a network: its name, and the ONNX file."""
    head = Head("logits", net.classes)
    unsigned = find_target(DEFAULT_TARGET)
    signed = quantized(net, reference, scratch, replace(unsigned, activation_type="int8"))
    yield FLOAT, attach(exact(net, reference, scratch), head, None).SerializeToString()
    yield SIGNED, attach(signed["float"], head, None).SerializeToString()
    for variant in variants(quantized(net, reference, scratch, unsigned)):
        if variant.name not in CONTROLS.values():
            yield _CALLED.get(variant.name, variant.name), variant.model.SerializeToString()


def counts_on(core: str, nets: Sequence[Net], models: Mapping[str, Mapping[str, bytes]]) -> list[Counts]:
    """Count all networks on one core, twice."""
    boots: list[dict[str, dict[str, float]]] = []
    for _ in range(2):
        with start(build(), core=core) as emulated, Ssh(parse_address(emulated.alias), emulated.ssh_config) as device:
            directory = provision(device)
            boots.append(
                {
                    net.name: count_instructions(device, directory, models[net.name], pictures(net, _INPUTS), _ROUNDS)
                    for net in nets
                }
            )
    found = [Counts(net.name, core, boots[0][net.name], boots[1][net.name]) for net in nets]
    for counts in found:
        for name, value in counts.first.items():
            print(counts.net, name.replace(" ", "-"), core, round(value), flush=True)
    return found


def report(counts: Sequence[Counts]) -> str:
    """The whole result, for a person."""
    cores = list(dict.fromkeys(each.core for each in counts))
    nets = list(dict.fromkeys(each.net for each in counts))
    by_place = {(each.net, each.core): each.first for each in counts}
    lines = [
        "# Instructions per inference on the cores of the Raspberry Pi",
        "",
        f"`python benchmarks/instructions.py --write`, {machine()}.",
        "",
        "Emulated (QEMU, system mode): user-space instructions of one inference, by the CPU's own counter, batch 1,",
        "one thread, in millions, and over those of `int8 U8S8`. **No latency**: neither caches nor the width of a",
        "core are in it. Pi 3, Zero 2 W: Cortex-A53; Pi 4: Cortex-A72; Pi 5: Cortex-A76 with dot-product instructions.",
        f"Two boots of the same core differ by at most {max(each.moved for each in counts):.3%}.",
    ]
    for net in nets:
        lines += ["", f"## {net}", ""]
        lines.append("| variant | " + " | ".join(f"{core} | ratio" for core in cores) + " |")
        lines.append("| --- |" + " ---: | ---: |" * len(cores))
        for name in by_place[net, cores[0]]:
            cells = []
            for core in cores:
                found = by_place[net, core]
                cells.append(f"{found[name] / 1e6:.3f} | {found[name] / found['int8 U8S8']:.4f}")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
