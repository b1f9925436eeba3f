"""Whether an artifact fits a device."""

from __future__ import annotations

import pytest

from edgeguard.fleet.doctor import fit
from edgeguard.targets import TARGETS
from tests.fleet.doctor.devices import facts_of
from tests.fleet.doctor.fits import FITS, Fit


@pytest.mark.parametrize("case", FITS, ids=str)
def test_an_artifact(case: Fit) -> None:
    line = case.check(facts_of(case.changes), case.manifest)
    assert line.status == case.status, line
    for word in case.words:
        assert word in f"{line.detail} {line.remedy}"


def test_every_target_says_what_it_needs() -> None:
    assert set(fit.NEEDS) == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_only_reduced_weights_are_made_for_x86_without_vnni(name: str) -> None:
    """`target` takes that from the manifest; the table must agree with the profiles."""
    assert (fit.NEEDS[name].dot_product is False) == TARGETS[name].reduce_range
