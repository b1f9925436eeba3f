"""ART's own attacks, an independent attacker, on artifacts that ``edgeguard export`` wrote.

nice -n 19 taskset -c 0 .venv/bin/python benchmarks/art_attacks.py --reference ../shared/reference

Needs the extra art (``pip install 'edgeguard[art]'``). Importing ART makes the folder ``.art`` in your home.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.evaluation.prepare import CALIBRATED, STOLEN, TRAINED, TUNED
from edgeguard.attacks.art import VictimClassifier, art_classifier
from edgeguard.attacks.isolation import isolated, seeded
from edgeguard.attacks.metrics import Theft, Utility, theft, utility
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student, build, factory_of
from edgeguard.attacks.training import train
from edgeguard.attacks.transfer import Lesson, Pool
from edgeguard.keys import MasterKey, write_key
from edgeguard.runtimes import load

Array = np.ndarray[Any, Any]

RESULT = Path(__file__).parent / "results" / "art_attacks.md"
CLASSES, SHAPE, STUDENT = 10, (1, 28, 28), Student("lenet")
QUERIES, ADAPTIVE_QUERIES, EPOCHS, BATCH = 5_000, 2_000, 10, 64
SEEDS = (0, 1)
VICTIM = Recipe(epochs=8, batch=128, rate=0.05, augmentation="none")
DECOY = ("--defense", "decoy", "--key", "key", "--validation", "tuning.npz")
VARIANTS: dict[str, tuple[str, ...]] = {
    "undefended": (),
    "dcp, beta 1.2": ("--defense", "dcp", "--defense-param", "beta=1.2"),
    "decoy": DECOY,
    "decoy, gate at 1 pp": (*DECOY, "--gate", "max-logit", "--budget", "1"),
}
# From a victim, a pool and an untrained thief to the thief trained.
Attack = Callable[[VictimClassifier, Pool, Any], Any]

_SETTING = f"""\
A LeNet on the first {TRAINED.stop:,} training images of Fashion-MNIST, exported by `edgeguard export --int8`. Levels
and gate are tuned on the next {TUNED.stop - TUNED.start:,}, the gate with stand-ins for queries; the key comes from
seed 0. The thief asks the last 10,000 training images, or MNIST's 10,000 test images, through ART's estimator
interface. He trains a LeNet (`PyTorchClassifier`; Adam, rate 1e-3, batches of {BATCH}, {EPOCHS} epochs): by
`KnockoffNets` random on soft answers and by `CopycatCNN` on their argmax, {QUERIES:,} queries each, seeds
{" and ".join(map(str, SEEDS))} (a slash between them); by `KnockoffNets` adaptive with the reward `all`, which ART
trains on the argmax only, {ADAPTIVE_QUERIES:,} queries, seed 0. All figures on the 10,000 test images of Fashion-MNIST.
*Fidelity*: share on which the clone agrees with the deployed artifact. *Counted*: queries a run that our oracle
answered; its budget was `nb_stolen`, what ART believes it asks."""

_READING = """\
Read with care: two seeds, one for the adaptive attack, and seeds differ by up to six points. With queries of the
victim's own distribution no defense takes anything measurable from either attack. With MNIST's digits soft answers
yield 34.3 undefended, 26.6 with dcp, 28.0 with decoy, 25.7 with its gate; their argmax 33.2, 32.1, 33.1 and 28.5: only
the gate still costs a thief something who reads nothing but labels. These are naive attackers; what a learned inverse
makes of dcp stands in `defense_quality.md`. Decoy keeps the argmax: its flips come of its integer head, where the
undefended artifact has a float one. Oracle and ART agree on every count."""


@dataclass(frozen=True, eq=False)
class Images:
    """Inputs and labels of the reference data."""

    name: str
    pixels: Array
    labels: Array

    @property
    def inputs(self) -> Array:
        """Float32 ``[n, 1, 28, 28]``, 0..1."""
        return np.asarray(self.pixels.reshape(-1, *SHAPE) / np.float32(255), np.float32)

    def part(self, part: slice) -> Images:
        """Some of them."""
        return Images(self.name, self.pixels[part], self.labels[part])

    def save(self, path: Path) -> None:
        """As ``edgeguard export`` reads them."""
        np.savez(path, x=self.pixels, y=self.labels)


@dataclass(frozen=True)
class Stolen:
    """Clones of one cell, a theft and what was counted for each seed."""

    thefts: tuple[Theft, ...]
    asked: tuple[int, ...]
    believed: int
    seconds: float


def knockoff(victim: VictimClassifier, pool: Pool, thief: Any) -> Any:
    """With soft answers, as the paper has it."""
    from art.attacks.extraction import KnockoffNets

    attack = KnockoffNets(victim, BATCH, 256, EPOCHS, QUERIES, "random", verbose=False, use_probability=True)
    return attack.extract(pool.inputs, thieved_classifier=thief)


def adaptive(victim: VictimClassifier, pool: Pool, thief: Any) -> Any:
    """Chooses classes of the pool by their rewards, one query at a time."""
    from art.attacks.extraction import KnockoffNets

    attack = KnockoffNets(victim, BATCH, 1, EPOCHS, ADAPTIVE_QUERIES, "adaptive", "all", verbose=False)
    return attack.extract(pool.inputs, pool.labels, thieved_classifier=thief)


def copycat(victim: VictimClassifier, pool: Pool, thief: Any) -> Any:
    """With the argmax of the answers, as the paper has it."""
    from art.attacks.extraction import CopycatCNN

    return CopycatCNN(victim, BATCH, 256, EPOCHS, QUERIES).extract(pool.inputs, thieved_classifier=thief)


# With how many queries, and with which seeds: the adaptive one trains after every query, and is slow.
ATTACKS: dict[str, tuple[Attack, int, tuple[int, ...]]] = {
    "KnockoffNets, random": (knockoff, QUERIES, SEEDS),
    "KnockoffNets, adaptive": (adaptive, ADAPTIVE_QUERIES, SEEDS[:1]),
    "CopycatCNN": (copycat, QUERIES, SEEDS),
}


def export_all(folder: Path, clothes: Images) -> dict[str, Path]:
    """Train the victim and export it in each variant, by the command that a user types."""
    trained = clothes.part(TRAINED)
    targets = np.eye(CLASSES, dtype=np.float32)[trained.labels]
    network = train(STUDENT, Lesson(trained.inputs, targets, np.arange(len(targets))), VICTIM, 0)
    torch.save(network.state_dict(), folder / "victim.pt")
    clothes.part(CALIBRATED).save(folder / "calibration.npz")
    clothes.part(TUNED).save(folder / "tuning.npz")
    write_key(folder / "key", MasterKey(np.random.default_rng(0).bytes(32)))
    factory, arguments = factory_of(STUDENT, SHAPE, CLASSES)
    given = [part for name, value in arguments for part in ("--arch-arg", f"{name}={value}")]
    paths = {}
    for number, (name, options) in enumerate(VARIANTS.items()):
        paths[name] = folder / f"{number}.edgeguard"
        command = [sys.executable, "-m", "edgeguard.cli", "export", "victim.pt", "--int8", "--arch", factory, *given]
        command += ["--input-shape", ",".join(map(str, SHAPE)), "--preprocess", "unit"]
        command += ["--calibration", "calibration.npz", "-o", str(paths[name]), *options]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return paths


def new_thief() -> Any:
    """An untrained LeNet as ART's classifiers are."""
    from art.estimators.classification import PyTorchClassifier

    network = build(STUDENT, SHAPE, CLASSES)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    return PyTorchClassifier(network, torch.nn.CrossEntropyLoss(), SHAPE, CLASSES, optimizer, clip_values=(0.0, 1.0))


def steal(artifact: Path, answers: Array, attack: str, pool: Pool, test: Images) -> Stolen:
    """Run an attack once for each seed."""
    extract, believed, seeds = ATTACKS[attack]
    thefts, asked, begin = [], [], time.monotonic()
    for seed in seeds:
        victim = art_classifier(artifact, believed)
        np.random.seed(seed)  # noqa: NPY002  (ART draws from numpy's global generator)
        with seeded(seed), isolated():
            clone = extract(victim, pool, new_thief())
            thefts.append(theft(clone.predict(test.inputs), answers, test.labels))
        asked.append(victim.oracle.asked)
    return Stolen(tuple(thefts), tuple(asked), believed, time.monotonic() - begin)


def row(cell: tuple[str, str, str], found: Stolen) -> str:
    """A line of the table."""
    shares = [[getattr(entry, name) for entry in found.thefts] for name in ("accuracy", "fidelity")]
    figures = [" / ".join(f"{100 * share:.1f}" for share in each) for each in shares]
    counted = " / ".join(f"{asked:,}" for asked in found.asked)
    return f"| {' | '.join([*cell, *figures, counted, f'{found.believed:,}'])} |"


def served(name: str, found: Utility) -> str:
    """A line of the table of what honest users get."""
    return f"| {name} | {found.accuracy:.2%} | {found.flips:.2%} | {found.l1:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    options = parser.parse_args()
    sys.path.insert(0, str(options.reference))
    import imgpack

    def images(name: str) -> Images:
        loaded = imgpack.load(options.reference / "data" / f"{name}.npz")
        return Images(name, loaded["x"], np.asarray(loaded["y"], np.int64))

    begin = time.monotonic()
    clothes, test = images("fashion_mnist_train"), images("fashion_mnist_test")
    sources = {"Fashion-MNIST": clothes.part(STOLEN), "MNIST": images("mnist_test")}
    pools = {name: Pool(source.inputs, source.labels) for name, source in sources.items()}
    with tempfile.TemporaryDirectory() as folder:
        paths = export_all(Path(folder), clothes)
        answers = {name: load(path).answer(test.inputs) for name, path in paths.items()}
        plain = answers["undefended"]
        users = [served(name, utility(given, plain, test.labels)) for name, given in answers.items()]
        print("\n".join(users), f"({time.monotonic() - begin:.0f} s)", sep="\n", flush=True)
        rows = []
        for source, pool in pools.items():
            for name in ATTACKS:
                for variant, path in paths.items():
                    found = steal(path, answers[variant], name, pool, test)
                    rows.append(row((source, name, variant), found))
                    print(rows[-1], f"({found.seconds:.0f} s)", flush=True)
    took = f"{time.monotonic() - begin:.0f} s, {sum(os.times()[:4]):.0f} s of them on the processor"
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "adversarial-robustness-toolbox"))
    parts = [
        "# ART's attacks on our artifacts",
        "",
        f"`nice -n 19 taskset -c 0 .venv/bin/python benchmarks/art_attacks.py --reference ...`, {machine()}, "
        f"{packages}; {took}.",
        "",
        _SETTING,
        "",
        "## What honest users get",
        "",
        "| artifact | accuracy | flips | L1 to the undefended |",
        "| --- | --- | --- | --- |",
        *users,
        "",
        "## What the thief gets",
        "",
        "| queries from | attack | artifact | accuracy, % | fidelity, % | counted | ART's `nb_stolen` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        _READING,
    ]
    RESULT.write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
