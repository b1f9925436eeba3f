"""Instructions per inference of TFLite files on the Pi's cores, defended and not, and of ONNX beside them.

    edgeguard export resnet20_cifar10.pt --arch edgeguard.attacks.students.resnet_cifar:resnet20 --int8 \\
        --input-shape 3,32,32 --calibration FIRST_256 --preprocess imagenet --format tflite -o r20.edgeguard
    .venv/bin/python benchmarks/tflite_instructions.py --resnet20 r20.lab/int8.tflite --write

Counted on the emulated device, one thread, batch 1: see ``benchmarks/instructions.py``. ResNet-20 is one network on
the same ranges in both formats. The other TFLite files are published ones: the ONNX file beside ResNet8 is our own int8
of the network that the TFLite file was made from.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Run as a script, it is in no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.cost.networks import NETS, pictures, quantized
from benchmarks.cost.on_device import count_instructions
from benchmarks.cost.variants import PLAIN, variants
from benchmarks.tflite_cost import MODELS, noise
from benchmarks.tflite_cost import PLAIN as UNDEFENDED
from benchmarks.tflite_cost import variants as light_variants
from device_tests.emulator.image import build
from device_tests.emulator.machine import start
from device_tests.emulator.qemu import CORES
from device_tests.provision import provision
from edgeguard.fleet.address import parse_address
from edgeguard.fleet.ssh import Ssh
from edgeguard.manifest import Format
from edgeguard.targets import DEFAULT_TARGET, find_target

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_name("results") / "tflite_instructions.md"
TIMED = frozenset({"label", "codebook", "decoy", "dcp", "decoy+max-logit"})
_ROUNDS = 7
_INPUTS = 4

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Group:
    """Files of one network in one format, which are counted together.

    :param models: by variant; the first is what the others are compared with.
    """

    net: str
    format: Format
    models: Mapping[str, bytes]
    inputs: Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--resnet20", type=Path, required=True, help="int8.tflite of an export's lab")
    parser.add_argument("--cores", nargs="+", choices=CORES, default=CORES, metavar="CORE")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULT.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        groups = list(groups_of(options.reference, options.resnet20, Path(scratch)))
    counts = {core: counts_on(core, groups) for core in options.cores}
    if options.write:
        RESULT.write_text(report(groups, counts))


def groups_of(reference: Path, resnet20: Path, scratch: Path) -> Iterator[Group]:
    """Everything that is counted."""
    for name in ("resnet20", "resnet8"):
        net = NETS[name]
        made = variants(quantized(net, reference, scratch, find_target(DEFAULT_TARGET)), TIMED)
        chosen = {each.name: each.model.SerializeToString() for each in made if each.name in {PLAIN["int8"], *TIMED}}
        yield Group(name, "onnx", chosen, pictures(net, _INPUTS)[:, None])
    files = {"resnet20": resnet20} | {name: reference / "models" / path for name, path in MODELS.items()}
    for name, file in files.items():
        inputs = pictures(NETS[name], _INPUTS).transpose(0, 2, 3, 1)[:, None] if name in NETS else noise(file)[:_INPUTS]
        made_light = dict(light_variants(file.read_bytes(), TIMED))
        chosen = {each: model for each, model in made_light.items() if each in {UNDEFENDED, *TIMED}}
        yield Group(name, "tflite", chosen, np.ascontiguousarray(inputs))


def counts_on(core: str, groups: Sequence[Group]) -> list[dict[str, float]]:
    """Instructions of every variant of each group."""
    with start(build(), core=core) as emulated, Ssh(parse_address(emulated.alias), emulated.ssh_config) as device:
        directory = provision(device)
        found = []
        for group in groups:
            counts = count_instructions(device, directory, group.models, group.inputs[:, 0], _ROUNDS, group.format)
            for name, value in counts.items():
                print(group.net, group.format, name.replace(" ", "-"), core, round(value), flush=True)
            found.append(counts)
    return found


def report(groups: Sequence[Group], counts: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """The whole result, for a person."""
    lines = [
        "# Instructions per inference of TFLite files, and of ONNX beside them",
        "",
        f"`python benchmarks/tflite_instructions.py --resnet20 r20.lab/int8.tflite --write`, {machine()}.",
        "",
        "Emulated (QEMU, system mode): user-space instructions of one inference, by the CPU's own counter, batch 1,",
        "one thread, in millions, and over those of the undefended file (`as it came`, `none-int8`). **No latency**.",
        "LiteRT is fed int8 where its input is int8; ONNX Runtime quantizes its input within the run.",
        "",
        "| network | format | variant | " + " | ".join(f"{core} | ratio" for core in counts) + " |",
        "| --- | --- | --- |" + " ---: | ---: |" * len(counts),
    ]
    for index, group in enumerate(groups):
        for name in group.models:
            cells = []
            for found in counts.values():
                first = next(iter(group.models))
                cells.append(f"{found[index][name] / 1e6:.3f} | {found[index][name] / found[index][first]:.4f}")
            lines.append(f"| {group.net} | {group.format} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
