"""What the defenses are worth on ResNet-20 in int8: budgets, hidden gates, learned inverses, clones and their traces.

.venv/bin/python benchmarks/defense_quality.py --reference ../shared/reference --clones DIR

Clones take three minutes each on one core, 13 of them; what they answer is kept in the directory and found again there.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost.machine import machine
from benchmarks.quality.clones import EPOCHS
from benchmarks.quality.sections import Said, budget_section, clone_section, hiding_section, inverse_section
from benchmarks.quality.victim import Victim

RESULT = Path(__file__).parent / "results" / "defense_quality.md"

_SETTING = """\
ResNet-20 for CIFAR-10, int8, integer head, calibrated on the first 256 training images. Tuned on 2,000 of the 10,000
CIFAR-10 test images, measured on the other 8,000. A thief asks CIFAR-100 images (the first 30,000 training images):
the owner knows the first 10,000 of them where a gate is *fitted to queries*, a clone is trained on the second 10,000,
and is asked the last 10,000 afterwards. Keys are drawn from seeds 0, 1, 2, ..."""

_BUDGET = """\
Each defense tuned to a budget on 2,000 random test images and measured on the others, splits of seeds 0 to 19. *Lost*:
images that the network answers rightly and the defense does not. *Queries answered wrongly*: CIFAR-100 images whose
answer names another class than the network. Beside it what DCP flips when its beta is chosen with hindsight, on all
test images, to lose as much as was lost here, or all of the budget.

Demanded: over budget on at most 2 of 20 splits, and 8 % and 15 % of the queries at 0.5 and 1 pp (`max-logit`)."""

_HIDING = """\
Area under the ROC curve of the best classifier of answers, told which queries were gated on one half of them and tested
on the other: mean and worst of ten keys, 0.5 is blind. `decoy` behind a `max-logit` gate. Demanded: at most 0.55 where
the gate was fitted to the thief's population and he asks from it."""

_HIDING_AFTER = """\
A gated answer never names the network's class, and honest answers do: what their frequencies give away to a thief of
another population than the owner thought of, no choice of wrong classes can hide. Queries from the network's own
distribution are hardly ever gated; those that are get answers as sure as the reference's, less sure than their honest
answers are."""

_INVERSE = """\
A network of two hidden layers, shown 20,000 pairs of answers and true posteriors of a thief's queries, asked for the
posteriors behind 10,000 others, by cross entropy as in D-DAE; and *by L1*, the measure itself, which is the harder
attacker. *Row medians*: the best estimate that a table's answers allow.

DCP is undone: the inverse comes closer to the truth than the bare labels are. Of a `decoy` with a gate, "no closer to
the truth than the answers are" holds where the rows show the network's own confidence (tuned without labels) and the
inverse is trained as usual. It does not where the rows are calibrated to accuracy: the network is surer of itself, and
the inverse learns that; nor, for any row, by L1: that gets to where the bare labels of the answers are, and no further,
with what posteriors usually look like in place of the decoys' mass, for `codebook` no less than for `decoy`, at any
strength or ceiling. What always holds: on gated queries no inverse regains a class."""

_CLONES = f"""\
Quarter-width ResNet-20s (4, 8, 16 channels), 10,000 queries, soft answers, {EPOCHS} epochs, one core. *p: trace*: of
`edgeguard trace` on 10,000 fresh CIFAR-100 images: the decoys of the lowest level, by mean ranks less half of those
with both classes exchanged, for natural confusion is nearly symmetric and decoys are not. *On CIFAR-10*: on its test
images. *All levels*: the decoys of all four. *Runners-up*: the lowest level's again, by the logarithm of how often
they are second. *Mean ranks*: as they are; or less those of the undefended victim, if it is at hand. All p are exact,
over all keys; with one level none is below 7.5e-7. Undefended clones are held against key 0. Demanded: p < 1e-4 with
the owner's key; of 1,000 random keys at most 18 with p <= 0.01."""

_CLONES_AFTER = """\
`trace` meets the demand for every key, behind a gate as well. Counted runners-up do not: they follow what every network
confuses. Nor do mean ranks, but for one key, before natural confusion is taken off; and levels above the lowest have
next to no mass to show. Half was chosen looking at keys 0 and 1, so their p is flattered; key 2 came later. The
attractor cannot be traced, and takes most from a clone of what keeps the argmax."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument(
        "--clones", type=Path, required=True, help="where clones' answers are kept; outside the checkout"
    )
    options = parser.parse_args()
    sys.path.insert(0, str(options.reference))
    import imgpack

    begin = time.monotonic()
    said = Said(Victim.build(options.reference, imgpack))
    accuracy = (said.test.argmax(axis=1) == said.labels).mean()
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "scikit-learn"))
    parts = [
        "# What the defenses are worth",
        "",
        f"`.venv/bin/python benchmarks/defense_quality.py --reference ... --clones ...`, {machine()}, {versions}.",
        "",
        f"{_SETTING} Undefended: {accuracy:.2%}.",
    ]
    sections = [
        ("Budgets", _BUDGET, lambda: budget_section(said), ""),
        ("Hidden gates", _HIDING, lambda: hiding_section(said), _HIDING_AFTER),
        ("Learned inverses", _INVERSE, lambda: inverse_section(said), ""),
        ("Clones, and their traces", _CLONES, lambda: clone_section(said, options.clones), _CLONES_AFTER),
    ]
    for title, before, measured, after in sections:
        lines = measured()
        parts += ["", f"## {title}", "", before, "", *lines, *(["", after] if after else [])]
        print("\n".join(lines), f"({time.monotonic() - begin:.0f} s)", sep="\n", flush=True)
    RESULT.write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
