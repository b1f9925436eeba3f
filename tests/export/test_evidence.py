"""What stands in for a thief's queries, and what is gathered of a network's answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgeguard.calibration.sets import array_set
from edgeguard.errors import EdgeguardError
from edgeguard.export.evidence import gather, stand_ins
from tests.export.graphs import Array
from tests.export.requests import Heard

CLASSES = 4


def inputs(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def pooled(values: Array) -> Array:
    """A network: sums of four stretches of an input."""
    return values.reshape(len(values), CLASSES, -1).sum(axis=2)


@pytest.mark.parametrize("shape", [(70, 3, 8, 8), (70, 1, 4, 6), (70, 8), (70, 4, 5)])
def test_stand_ins_are_inputs_of_the_same_shape_and_none_of_those_given(shape: tuple[int, ...]) -> None:
    given = inputs(*shape)
    made = stand_ins(given)
    assert made.dtype == np.float32
    assert made.shape == (2 * len(given), *shape[1:])
    assert np.isfinite(made).all()
    apart = np.abs(made[:, None] - given[None]).reshape(len(made), len(given), -1).max(axis=2)
    assert apart.min() > 0.1


def test_pictures_are_laid_on_their_side_or_upside_down_and_inverted() -> None:
    square, wide = inputs(5, 3, 8, 8), inputs(5, 3, 4, 8)
    assert np.array_equal(stand_ins(square)[:5], square.transpose(0, 1, 3, 2))
    assert np.array_equal(stand_ins(wide)[:5], wide[:, :, ::-1])
    assert np.allclose(stand_ins(square)[5:] + square, 2 * square.mean(axis=0), atol=1e-6)


def test_the_reference_is_the_queries_that_were_given() -> None:
    data, queries = inputs(70, 3, 8, 8), inputs(90, 3, 8, 8) + 1
    found = gather(
        pooled,
        None,
        array_set(data, synthetic=False),
        array_set(queries, synthetic=False),
        CLASSES,
        Heard(),
        layout="nchw",
        reference=True,
    )
    assert found.reference is not None
    assert found.reference_kind == "queries"
    assert np.array_equal(found.reference, pooled(queries))
    assert np.array_equal(found.logits, pooled(data))


def test_without_queries_the_reference_is_made_of_the_images() -> None:
    data = inputs(70, 3, 8, 8)
    found = gather(
        pooled, None, array_set(data, synthetic=False), None, CLASSES, Heard(), layout="nchw", reference=True
    )
    assert found.reference is not None
    assert found.reference_kind == "stand-ins"
    assert found.reference.shape == (140, CLASSES)


@pytest.mark.parametrize("float_logits", [None, pooled])
def test_without_a_gate_nothing_more_is_run(float_logits: Callable[[Array], Array] | None) -> None:
    data = inputs(70, 3, 8, 8)
    found = gather(
        pooled, float_logits, array_set(data, synthetic=False), None, CLASSES, Heard(), layout="nchw", reference=False
    )
    assert found.reference is None
    assert found.labels is None
    assert (found.float_top is None) == (float_logits is None)


def test_a_network_that_says_nan_is_refused() -> None:
    def broken(values: Array) -> Array:
        return np.full((len(values), CLASSES), np.nan, np.float32)

    with pytest.raises(EdgeguardError):
        gather(
            broken,
            None,
            array_set(inputs(8, 3, 8, 8), synthetic=False),
            None,
            CLASSES,
            Heard(),
            layout="nchw",
            reference=False,
        )


def test_channels_may_come_last() -> None:
    first, square = inputs(5, 3, 4, 8), inputs(5, 8, 8, 3)
    last = first.transpose(0, 2, 3, 1)
    assert np.allclose(stand_ins(last, "nhwc"), stand_ins(first).transpose(0, 2, 3, 1), atol=1e-6)
    assert np.array_equal(stand_ins(square, "nhwc")[:5], square.transpose(0, 2, 1, 3))
