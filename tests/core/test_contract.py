"""The contract of answers."""

import numpy as np
import pytest

from edgeguard.contract import SUM_TOLERANCE, check_contract
from edgeguard.errors import GuardFailed

GOOD = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]], np.float32)


def test_posteriors_pass() -> None:
    check_contract(GOOD)
    check_contract(GOOD, classes=3)
    check_contract(np.empty((0, 3), np.float32), classes=3)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([np.nan, 0.5, 0.5], "NaN"),
        ([np.inf, 0.0, 0.0], "NaN or infinity"),
        ([1.2, -0.2, 0.0], "negative"),
        ([0.5, 0.5, 0.1], "sum to 1 only within 0.1"),
        ([0.0, 0.0, 0.0], "sum to 1 only within 1,"),
    ],
)
def test_what_is_no_posterior_is_refused_with_its_figure(row: list[float], says: str) -> None:
    broken = np.vstack([GOOD, np.array(row, np.float32)])
    with pytest.raises(GuardFailed, match=says):
        check_contract(broken)


def test_sums_are_compared_with_the_published_tolerance() -> None:
    inside, outside = (np.array([[0.5, 0.5 + SUM_TOLERANCE * factor]]) for factor in (0.9, 1.1))
    check_contract(inside)
    with pytest.raises(GuardFailed):
        check_contract(outside)


@pytest.mark.parametrize("answers", [GOOD[0], GOOD[None], (GOOD * 255).astype(np.uint8), GOOD[:, :2] / 0.9])
def test_shape_and_dtype_are_part_of_it(answers: np.ndarray) -> None:
    with pytest.raises(GuardFailed, match="answers with"):
        check_contract(answers, classes=3)


def test_a_kept_argmax_is_compared_only_if_it_was_promised() -> None:
    other = GOOD[:, ::-1]
    check_contract(GOOD, other)
    check_contract(GOOD, GOOD, keeps_argmax=True)
    with pytest.raises(GuardFailed, match="promises to keep the argmax"):
        check_contract(GOOD, other, keeps_argmax=True)
