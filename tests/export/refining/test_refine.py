"""Running the refinements of an effort."""

from __future__ import annotations

import pytest

from edgeguard.calibration.effort import EFFORTS, PLAIN, REFINEMENTS, Effort
from edgeguard.export.refining.equalize import Equalize
from edgeguard.export.refining.refine import fidelity_of, refined
from edgeguard.export.refining.registry import REFINERS, refiner
from tests.export.refining.drafts import TRIAL, draft_of
from tests.export.requests import Heard


def test_every_name_is_a_refinement_and_every_refinement_has_a_name() -> None:
    assert {*REFINERS, Equalize.name} == {*REFINEMENTS}
    assert [refiner(name).name for name in REFINERS] == [*REFINERS]


@pytest.mark.parametrize("name", [name for name in EFFORTS if name != "best"])
def test_an_effort_brings_the_logits_nearer(name: str) -> None:
    draft = draft_of()
    better, facts = refined(draft, EFFORTS[name], TRIAL, Heard())  # type: ignore[index]
    assert fidelity_of(better, TRIAL).mse < fidelity_of(draft, TRIAL).mse
    assert tuple(each.name for each in facts) == EFFORTS[name].refinements  # type: ignore[index]


def test_facts_tell_what_each_did_and_what_was_left_out() -> None:
    _, facts = refined(draft_of(), EFFORTS["balanced"], TRIAL, Heard())
    reached = fidelity_of(draft_of(), TRIAL).sqnr_db
    for each in facts:
        assert reached is not None
        assert each.sqnr_before == pytest.approx(reached)
        assert each.sqnr_after is not None
        assert each.kept == (each.sqnr_after > reached)
        reached = max(reached, each.sqnr_after)


def test_what_does_not_help_is_left_out_only_where_it_is_measured() -> None:
    """After full bias correction the fast one, which looks at the float network alone, has nothing left to mend."""
    corrections = "bias", "fast-bias"
    measured, facts = refined(draft_of(), Effort("min-max", corrections, measured=True), TRIAL, Heard())
    unmeasured, told = refined(draft_of(), Effort("min-max", corrections, measured=False), TRIAL, Heard())
    assert [each.kept for each in facts] == [True, False]
    assert [(each.kept, each.sqnr_after) for each in told] == [(True, None), (True, None)]
    assert fidelity_of(measured, TRIAL).mse < fidelity_of(unmeasured, TRIAL).mse


def test_the_plain_effort_does_nothing() -> None:
    draft = draft_of()
    assert refined(draft, PLAIN, TRIAL, Heard()) == (draft, ())
