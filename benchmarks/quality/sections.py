"""The sections of the result: tables in Markdown, each from one of the measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import budgets, hiding, inverse, tracing
from benchmarks.quality.clones import Clone, train_clone
from benchmarks.quality.victim import TUNED_ON, Victim, answers_of, key_of, posterior_of
from edgeguard.defenses.decoy import Decoy
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import SCORES, Score

__all__ = ["Said", "budget_section", "clone_section", "hiding_section", "inverse_section"]

Array = np.ndarray[Any, Any]

SPLITS = range(20)
_GATE_KEYS = range(10)
_CLONE_KEYS = range(3)
_HONEST_CLONES = range(5)
_RANDOM_KEYS = 1000
# Of the 30,000 CIFAR-100 images: what the owner may know, what the thief asks, what clones are asked afterwards.
KNOWN, ASKED, FRESH = slice(0, 10_000), slice(10_000, 20_000), slice(20_000, 30_000)


@dataclass(frozen=True, eq=False)
class Said:
    """What the network says, each asked for once."""

    victim: Victim

    @cached_property
    def test(self) -> Array:
        return self.victim.logits(self.victim.images("cifar10_test")["x"])

    @cached_property
    def labels(self) -> Array:
        return np.asarray(self.victim.images("cifar10_test")["y"], np.int64)

    @cached_property
    def queries(self) -> Array:
        return self.victim.logits(self.victim.queries())

    @cached_property
    def references(self) -> dict[str, Array]:
        """What a gate may be fitted to."""
        tuned_on = self.victim.images("cifar10_test")["x"][:TUNED_ON]
        return {
            "queries of the thief's population": self.queries[KNOWN],
            "1,000 photos (500 and their mirror images)": self.photos,
            "stand-ins (the default)": self.victim.stood_in(tuned_on),
            "means of two and three images, and negatives": self.victim.averaged(tuned_on),
            "the validation images themselves": self.test[:TUNED_ON],
        }

    @cached_property
    def photos(self) -> Array:
        return self.victim.logits(self.victim.photos())

    @cached_property
    def clothes(self) -> Array:
        return self.victim.logits(self.victim.clothes(10_000))

    def tuned(self, name: str, **choices: Any) -> Defense:
        """A defense tuned on the first test images."""
        return self.victim.tuned(name, self.test[:TUNED_ON], self.labels[:TUNED_ON], **choices)

    def tuned_without_labels(self, name: str, **choices: Any) -> Defense:
        """Likewise, but the rows' confidences are the network's own."""
        return self.victim.tuned(name, self.test[:TUNED_ON], None, **choices)


def budget_section(said: Said) -> list[str]:
    """What budgets cost and buy."""
    rows = []
    for budget in (0.5, 1.0, 2.0):
        for name, score in [*(("decoy", score) for score in SCORES), ("dcp", None)]:
            spent = budgets.spend(
                said.victim,
                name,
                score,
                budget,
                said.test,
                said.labels,
                said.queries,
                SPLITS,  # type: ignore[arg-type]
            )
            hindsight = [
                budgets.spoilt(Defense(budgets.dcp_at_loss(said.victim, loss, said.test, said.labels)), said.queries)
                for loss in (float(spent.lost.mean()), budget / 100)
            ]
            rows.append(
                [
                    f"{budget:g}",
                    f"decoy, gate {score}" if score else "dcp, beta tuned",
                    f"{100 * spent.lost.mean():.2f}",
                    f"{100 * spent.lost.max():.2f}",
                    f"{spent.exceeded(budget)} of {len(SPLITS)}",
                    f"{spent.spoilt.mean():.1%}",
                    f"{spent.spoilt.min():.1%}",
                    *(f"{share:.1%}" for share in hindsight),
                ]
            )
    plain, coded = budgets.codebook_errors(said.victim, said.test, said.labels, SPLITS)
    heads = [
        "budget, pp",
        "defense",
        "lost, pp: mean",
        "worst",
        "over budget",
        "queries answered wrongly: mean",
        "least",
    ]
    return [
        *_table([*heads, "DCP at that loss", "DCP at the budget"], rows),
        "",
        f"Expected calibration error (15 bins): undefended {plain.mean():.2%}, `codebook` {coded.mean():.2%}, worst "
        f"{coded.max():.2%}; lower on {int((coded < plain).sum())} of {len(SPLITS)} splits.",
    ]


def hiding_section(said: Said) -> list[str]:
    """Whether answers tell which queries were gated."""
    asked = {
        "CIFAR-100": said.queries[KNOWN.stop :],
        "Fashion-MNIST": said.clothes,
        "CIFAR-10 test": said.test[TUNED_ON:],
    }
    rows, frequencies, boosted = [], [], []
    for budget in (0.5, 1.0):
        for name, reference in said.references.items():
            fitted = [_gated(said, budget, reference, seed) for seed in _GATE_KEYS]
            found = {who: [hiding.told_apart(gate, logits) for gate in fitted] for who, logits in asked.items()}
            if reference is said.references["queries of the thief's population"]:
                boosted.append(f"{hiding.learned_area(fitted[0], asked['CIFAR-100']):.3f}")
                shares = {who: hiding.gated_by(fitted[0], logits).mean() for who, logits in asked.items()}
                gated = ", ".join(f"{who} {share:.1%}" for who, share in shares.items())
                frequencies.append(f"Gated at {budget:g} pp: {gated}.")
            rows.append(
                [f"{budget:g}", name, *(f"{np.mean(areas):.3f} ({max(areas):.3f})" for areas in found.values())]
            )
    gate = _gated(said, 1.0, said.queries[KNOWN], 0)
    floors = [
        f"{who} {hiding.told_by_classes(gate, said.queries[KNOWN.stop :], logits):.2f}"
        for who, logits in (("photos", said.photos), ("Fashion-MNIST", said.clothes), ("CIFAR-10", said.test))
    ]
    return [
        *_table(["budget, pp", "gate fitted to", *(f"asked {who}" for who in asked)], rows),
        "",
        *frequencies,
        f"Gradient boosting on the entries of the answers, first row, first key: {', '.join(boosted)}.",
        "",
        "Class frequencies alone would give away, were gated answers spread over the classes as honest answers to",
        f"another population are, to a thief who asks CIFAR-100: {', '.join(floors)}.",
    ]


def inverse_section(said: Said) -> list[str]:
    """How much a learned inverse gets back."""
    gate = {"budget": 1.0, "score": "max-logit", "key": key_of(0), "reference": said.queries[KNOWN]}
    defenses = {
        "dcp, beta 1.2": said.tuned("dcp", parameters={"beta": "1.2"}),
        "label": said.tuned("label"),
        "codebook": said.tuned("codebook"),
        "decoy": said.tuned("decoy", key=key_of(0)),
        "decoy, gate at 1 pp": said.tuned("decoy", **gate),
        "decoy, tuned without labels, gate at 1 pp": said.tuned_without_labels("decoy", **gate),
        "decoy, strength 0.5, gate at 1 pp": said.tuned("decoy", parameters={"strength": "0.5"}, **gate),
        "decoy, ceiling 0.9, gate at 1 pp": said.tuned("decoy", parameters={"ceiling": "0.9"}, **gate),
    }
    truth, known = posterior_of(said.queries), slice(0, FRESH.start)
    rows = []
    for name, defense in defenses.items():
        answers = answers_of(defense, said.queries)
        gated = hiding.gated_by(defense, said.queries) if defense.gate else np.zeros(len(answers), bool)
        estimates = {
            "own": answers[FRESH],
            "labels": np.eye(answers.shape[1])[answers[FRESH].argmax(axis=1)],
            "usual": inverse.learned_inverse(answers[known], truth[known], loss="cross-entropy")(answers[FRESH]),
            "learned": inverse.learned_inverse(answers[known], truth[known])(answers[FRESH]),
        }
        if hasattr(defense.response, "table_rows"):
            estimates["medians"] = inverse.row_medians(answers[known], truth[known])(answers[FRESH])
        found = {kind: inverse.recovery(made, truth[FRESH], gated[FRESH]) for kind, made in estimates.items()}
        rows.append(
            [
                name,
                *(
                    f"{found[kind].distance:.2f}" if kind in found else ""
                    for kind in ("own", "labels", "usual", "learned", "medians")
                ),
                *(f"{found[kind].gated_distance:.2f}" if gated.any() else "" for kind in ("own", "learned")),
                *(f"{found[kind].top:.1%}" for kind in ("own", "learned")),
                f"{found['learned'].gated_top:.1%}" if gated.any() else "",
            ]
        )
    heads = ["defense", "L1 of answers", "of their labels", "of the inverse", "of it by L1", "of row medians"]
    return _table([*heads, "gated: answers", "gated: by L1", "class right: answers", "by L1", "by L1, gated"], rows)


def clone_section(said: Said, kept: Path) -> list[str]:
    """What clones are worth, and whether they give their teacher away."""
    pictures, test = said.victim.queries(), said.victim.images("cifar10_test")["x"]

    def clone(defense: Defense | None, seed: int = 0) -> Clone:
        logits = said.queries[ASKED]
        answers = posterior_of(logits) if defense is None else answers_of(defense, logits)
        return train_clone(pictures[ASKED], answers, test, pictures[FRESH], seed=seed, kept=kept)

    gate = {"budget": 1.0, "score": "max-logit", "reference": said.queries[KNOWN]}
    cells: list[tuple[str, Defense | None, int, int]] = [("undefended", None, seed, 0) for seed in _HONEST_CLONES]
    for key in _CLONE_KEYS:
        cells.append((f"decoy, key {key}", said.tuned("decoy", key=key_of(key)), 0, key))
        cells.append((f"decoy, gate at 1 pp, key {key}", said.tuned("decoy", key=key_of(key), **gate), 0, key))
    attractor = {"mode": "attractor"}
    cells.append(("decoy, attractor", said.tuned("decoy", key=key_of(0), parameters=attractor), 0, 0))
    cells.append(("dcp, beta 1.2", said.tuned("dcp", parameters={"beta": "1.2"}), 0, 0))
    rows, alarms = [], []
    usual = tracing.mean_ranks(said.queries[FRESH])
    every_level = Decoy().levels
    strangers = [key_of(10_000 + number) for number in range(_RANDOM_KEYS)]
    for name, defense, seed, key in cells:
        found = clone(defense, seed)
        right = float((found.to_test.argmax(axis=1) == said.labels).mean())
        lost = 0.0 if defense is None else budgets.lost(defense, said.test[TUNED_ON:], said.labels[TUNED_ON:])
        ranks, own = tracing.mean_ranks(found.to_fresh), [key_of(key)]
        traced = tracing.trace_ranks(found.to_fresh)
        of_owner = [
            tracing.p_of(traced, own),
            tracing.p_of(tracing.trace_ranks(found.to_test), own),
            tracing.p_of(traced, own, every_level),
            tracing.p_of(tracing.runner_ups(found.to_fresh), own),
            tracing.p_of(ranks, own),
            tracing.p_of(ranks - usual, own),
        ]
        rows.append(
            [
                f"{name}, seed {seed}" if defense is None else name,
                f"{100 * lost:.2f}",
                f"{right:.1%}",
                *(f"{p[0]:.1e}" for p in of_owner),
                f"{found.seconds:.0f}",
            ]
        )
        if defense is None:
            by = (tracing.p_of(traced, strangers), tracing.p_of(ranks - usual, strangers))
            alarms.append([f"seed {seed}", *(str(int((p <= 0.01).sum())) for p in by)])
    heads = ["trained on answers of", "owner loses, pp", "accuracy", "p: trace", "on CIFAR-10", "all levels"]
    return [
        *_table([*heads, "runners-up", "mean ranks", "less the victim's", "seconds"], rows),
        "",
        f"Of {_RANDOM_KEYS:,} random keys, so many have p <= 0.01 for a clone of undefended answers:",
        "",
        *_table(["clone", "trace", "less the victim's"], alarms),
    ]


def _gated(said: Said, budget: float, reference: Array, seed: int, score: Score = "max-logit") -> Defense:
    return said.tuned("decoy", budget=budget, score=score, key=key_of(seed), reference=reference)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]
