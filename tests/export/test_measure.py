"""Figures of an export, on answers whose figures are known, and the contract that every answer must keep."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgeguard.calibration.data_set import Batch, DataSet
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.label import Label
from edgeguard.errors import BadData, GuardFailed
from edgeguard.export.measure import Answerer, Answerers, measure
from tests.export.graphs import Array


class Numbers(DataSet):
    """Inputs that are their own positions, so that an answer can be looked up."""

    name = "numbers"
    synthetic = False

    def __init__(self, count: int, labels: Array | None) -> None:
        self._count, self._labels = count, labels
        self.labelled = labels is not None

    def __len__(self) -> int:
        return self._count

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, self._count, size):
            inputs = np.arange(start, min(start + size, self._count), dtype=np.float32)[:, None]
            labels = None if self._labels is None else self._labels[start : start + size]
            yield Batch(inputs, labels, tuple(map(str, inputs[:, 0])))


def looked_up(table: Array) -> Answerer:
    return lambda inputs: table[inputs[:, 0].astype(int)]


# Four images, three classes. Argmax float 0 1 2 0; undefended 0 1 2 1; deployed 0 2 2 1. L1 of each: 0.4 1.2 0 0.1.
FLOAT = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.4, 0.0]], np.float32)
PLAIN = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.4, 0.6, 0.0]], np.float32)
DEPLOYED = np.array([[0.5, 0.4, 0.1], [0.2, 0.2, 0.6], [0.1, 0.1, 0.8], [0.45, 0.55, 0.0]], np.float32)
LABELS = np.array([0, 1, 2, 2])
FLIPS, KEEPS = Defense(Dcp()), Defense(Label())


def test_hand_computed() -> None:
    answerers = Answerers(looked_up(FLOAT), looked_up(PLAIN), looked_up(DEPLOYED))
    found = measure(answerers, Numbers(4, LABELS), "validation", classes=3, defense=FLIPS)
    assert (found.on, found.images) == ("validation", 4)
    assert found.agreement == 2 / 4
    assert (found.accuracy_float, found.accuracy_undefended, found.accuracy) == (3 / 4, 3 / 4, 2 / 4)
    assert found.flips == 1 / 4
    assert found.l1_mean == pytest.approx((0.4 + 1.2 + 0 + 0.1) / 4, abs=1e-6)
    assert found.l1_max == pytest.approx(1.2, abs=1e-6)
    # Each answer alone in its bin: |1 - 0.5|, |0 - 0.6|, |1 - 0.8|, |0 - 0.55|; 0.55 and 0.6 in different ones.
    assert found.ece == pytest.approx((0.5 + 0.6 + 0.2 + 0.55) / 4, abs=1e-6)
    assert (found.distinct_answers, found.bits_per_query) == (None, None)


def test_a_table_of_answers_tells_a_few_bits() -> None:
    units = looked_up(np.eye(3, dtype=np.float32)[PLAIN.argmax(axis=1)])
    found = measure(Answerers(None, looked_up(PLAIN), units), Numbers(4, None), "validation", classes=3, defense=KEEPS)
    assert found.distinct_answers == 3
    assert found.bits_per_query == pytest.approx(np.log2(3))
    assert found.ece is None


def test_what_is_deployed_without_a_defense_is_run_once() -> None:
    runs = []

    def undefended(inputs: Array) -> Array:
        runs.append(len(inputs))
        return looked_up(PLAIN)(inputs)

    found = measure(
        Answerers(looked_up(FLOAT), undefended, undefended), Numbers(4, LABELS), "validation", classes=3, defense=None
    )
    assert runs == [4]
    assert (found.accuracy_undefended, found.accuracy) == (3 / 4, 3 / 4)


def test_figures_do_not_depend_on_blocks() -> None:
    """150 images are two blocks of 64 and one of 22; the same four rows over and over."""
    repeated = [np.tile(table, (38, 1))[:150] for table in (FLOAT, PLAIN, DEPLOYED)]
    labels = np.tile(LABELS, 38)[:150]
    answerers = Answerers(*map(looked_up, repeated))
    found = measure(answerers, Numbers(150, labels), "validation", classes=3, defense=FLIPS)
    tops = [table.argmax(axis=1) for table in repeated]
    assert found.agreement == pytest.approx((tops[0] == tops[2]).mean())
    assert found.accuracy == pytest.approx((tops[2] == labels).mean())
    assert found.l1_mean == pytest.approx(np.abs(repeated[2] - repeated[1]).sum(axis=1).mean(), abs=1e-6)


def test_without_labels_there_is_no_accuracy_and_without_a_defense_no_distortion() -> None:
    answerers = Answerers(None, looked_up(PLAIN), looked_up(PLAIN))
    found = measure(answerers, Numbers(4, None), "calibration", classes=3, defense=None)
    assert (found.accuracy_float, found.accuracy_undefended, found.accuracy) == (None, None, None)
    assert (found.flips, found.l1_mean, found.l1_max) == (None, None, None)
    assert (found.on, found.agreement) == ("calibration", 1)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, -1, 2, 2]])
def test_a_label_that_is_no_class(labels: list[int]) -> None:
    answerers = Answerers(None, looked_up(PLAIN), looked_up(DEPLOYED))
    with pytest.raises(BadData, match="has the label"):
        measure(answerers, Numbers(4, np.array(labels)), "validation", classes=3, defense=FLIPS)


def spoiled(row: int, values: list[float]) -> Array:
    table = DEPLOYED.copy()
    table[row] = values
    return table


@pytest.mark.parametrize(
    ("table", "defense", "said"),
    [
        (spoiled(3, [0.5, 0.6, 0.0]), FLIPS, "sum to 1 only within 0.1"),
        (spoiled(3, [-0.1, 0.6, 0.5]), FLIPS, "negative probability"),
        (spoiled(3, [np.nan, 0.6, 0.4]), FLIPS, "NaN or infinity"),
        (DEPLOYED, KEEPS, "promises to keep the argmax and did not"),
    ],
    ids=["sum", "negative", "nan", "argmax"],
)
def test_answers_that_break_the_contract_stop_the_export(table: Array, defense: Defense, said: str) -> None:
    answerers = Answerers(None, looked_up(PLAIN), looked_up(table))
    with pytest.raises(GuardFailed, match=said):
        measure(answerers, Numbers(4, None), "validation", classes=3, defense=defense)
