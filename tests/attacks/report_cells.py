"""Records of cells that never ran, for the tests of the report."""

from __future__ import annotations

from dataclasses import replace

from edgeguard.attacks.evaluation.records import CellRecord
from edgeguard.attacks.metrics import Exposure, Theft, Utility

__all__ = ["cell", "grid"]

_UNDEFENDED = 0.92


def cell(
    defense: str,
    accuracy: float,
    *,
    attack: str = "naive",
    seed: int = 0,
    loss: float = 0.0,
    victim: str = "net-float",
    pool: str = "pool",
    l1: float = 0.0,
) -> CellRecord:
    """One cell.

    :param accuracy: of the clone.
    :param loss: of benign accuracy, in percentage points.
    """
    return CellRecord(
        digest=f"{victim}/{defense}/{pool}/{attack}/{seed}".encode().hex(),
        grid="small",
        victim=victim,
        defense=defense,
        pool=pool,
        attack=attack,
        student="lenet",
        seed=seed,
        queries=1000,
        utility=Utility(
            images=1000,
            accuracy=_UNDEFENDED - loss / 100,
            undefended=_UNDEFENDED,
            flips=loss / 50,
            l1=l1,
            ece=0.03,
            ece_undefended=0.05,
        ),
        exposure=Exposure(
            queries=1000, images=1000, flips=loss / 20, l1=l1, l1_read=l1 / 2, kept=1.0, distinct=1000, bits=9.97
        ),
        theft=Theft(accuracy=accuracy, fidelity=accuracy - 0.02),
        seconds=12.5,
        date=f"2026-11-2{seed} 10:00",
        machine="4 cores",
        versions={"numpy": "2.0", "torch": "2.6"},
        command="edgeguard evaluate small.toml",
    )


def grid(seeds: tuple[int, ...] = (0, 1, 2)) -> list[CellRecord]:
    """Two attackers, two families with curves, one with a budget, the floor, and a float and an int8 victim.

    Seeds 0, 1, 2 have clone accuracies one point below, at and one above the one written here.
    """
    of = {
        "undefended": (0.0, 0.0, 0.60, 0.50),
        "label": (0.0, 0.4, 0.50, 0.49),
        "dcp-0.9": (0.5, 0.2, 0.40, 0.58),
        "dcp-1.5": (1.5, 1.6, 0.20, 0.56),
        "reverse-sigmoid-0.4": (0.2, 0.5, 0.45, 0.57),
        "reverse-sigmoid-0.8": (1.0, 1.2, 0.40, 0.55),
        "decoy-0.5pp": (0.5, 0.1, 0.46, 0.47),
        "decoy-1pp": (1.0, 0.2, 0.41, 0.43),
    }
    made = []
    for victim, more in (("net-float", 0.0), ("net-int8", -0.01)):
        for defense, (loss, l1, naive, recovery) in of.items():
            for attack, accuracy in (("naive", naive), ("recovery", recovery)):
                for seed in seeds:
                    noisy = round(accuracy + more + (seed - 1) / 100, 6)
                    made.append(cell(defense, noisy, attack=attack, seed=seed, loss=loss, victim=victim, l1=l1))
    return made


def without_exposure(record: CellRecord) -> CellRecord:
    """Like an attack that makes its own images."""
    return replace(record, exposure=None, pool="-")
