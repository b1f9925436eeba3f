"""Which layers stay in float so that int8 loses no more than was allowed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgeguard.calibration.data_set import Batch, DataSet
from edgeguard.calibration.sets import array_set
from edgeguard.errors import BadData, GuardFailed
from edgeguard.export.keeping import Judge, fewest, judging_set, layers_to_keep
from tests.export.graphs import Array, random_inputs
from tests.export.requests import Heard
from tests.export.spoilt import chain, quantizer, runner, spoil

RANKED = tuple("abcdefghij")
INPUTS = random_inputs(48)
DATA = array_set(INPUTS, synthetic=False)


class Labelled(DataSet):
    name, synthetic, labelled = "labelled", False, True

    def __init__(self, inputs: Array, labels: Array) -> None:
        self.inputs, self.y = inputs, labels

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield Batch(self.inputs[part], self.y[part], ("",) * len(self.inputs[part]))


@pytest.mark.parametrize("needed", ["a", "c", "j", "ab", "ad", "bi", "bdfh", "acegi", "abcdefghi"])
def test_exactly_what_is_needed_is_kept(needed: str) -> None:
    asked: list[tuple[str, ...]] = []

    def within(layers: tuple[str, ...]) -> bool:
        asked.append(layers)
        return set(needed) <= set(layers)

    found = fewest(RANKED, within)
    assert found == (None if needed == "j" else tuple(needed))
    # 2 log2(10) times to find how far down the ranking, and once for each of those.
    assert len(asked) <= 7 + 10


@pytest.mark.parametrize("ranked", [("a",), RANKED])
def test_nothing_is_enough(ranked: tuple[str, ...]) -> None:
    assert fewest(ranked, lambda _: False) is None


def wrong(count: int) -> Array:
    """Logits of class 0, but for the last ``count`` of 50 images."""
    logits = np.zeros((50, 3), np.float32)
    logits[:, 0] = 1
    logits[50 - count :, 1] = 2
    return logits


def answering(logits: Array, inputs: Array) -> Array:
    """A runner's answers for inputs that are the images' numbers."""
    return logits[inputs[:, 0].astype(int)]


def test_labels_decide_where_there_are_some_and_else_agreement_which_is_no_less() -> None:
    numbers = np.arange(50, dtype=np.float32)[:, None]
    data = Labelled(numbers, np.array([0] * 40 + [1] * 10))
    exact, other = wrong(4), wrong(12)
    one = Judge(lambda each: answering(exact, each), data, 3, by_labels=True)(lambda each: answering(other, each))
    # Right before: 40 and 4; then 38 and 10. More are right, and eight answers differ.
    assert (one.points, one.by, one.images, one.kl) == (pytest.approx(-8), "accuracy", 50, None)
    two = Judge(lambda each: answering(exact, each), data, 3, by_labels=False)(lambda each: answering(other, each))
    assert (two.points, two.by, two.images) == (pytest.approx(16), "agreement", 50)
    assert two.kl is not None
    assert two.kl > 0
    assert two.points >= abs(one.points)
    with pytest.raises(BadData, match="the network's classes are 0 to 0"):
        Judge(lambda each: answering(exact, each), data, 1, by_labels=True)


def keep(limit: float, *spoilt: str, kept: tuple[str, ...] = (), labelled: bool = True) -> tuple[set[str], Heard]:
    model = chain()
    for layer in spoilt:
        model = spoil(model, layer)
    exact, heard = runner(model), Heard()
    fresh = random_inputs(200, seed=7)
    validation = Labelled(fresh, exact(fresh).argmax(axis=-1)) if labelled else array_set(fresh, synthetic=False)
    found = layers_to_keep(limit, model, quantizer(model, INPUTS), exact, 10, DATA, validation, kept, heard)
    return set(found), heard


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("spoilt", [("c2",), ("c4",), ("c2", "c3")])
def test_ruined_layers_are_kept_and_no_others(spoilt: tuple[str, ...], labelled: bool) -> None:
    found, heard = keep(5, *spoilt, labelled=labelled)
    assert found == set(spoilt)
    last = heard.steps[-1]
    assert last.startswith(f"keeping {len(spoilt)} of 5 layers in float (")
    assert all(name in last for name in spoilt)
    assert ("accuracy" if labelled else "agreement") in last
    assert ("KL" in last) == (not labelled)
    assert heard.warnings == []


def test_a_healthy_network_keeps_nothing_in_float() -> None:
    found, heard = keep(10)
    assert found == set()
    assert heard.steps[-1].endswith("no layer has to stay in float")


def test_what_is_kept_anyway_counts() -> None:
    assert keep(5, "c2", kept=("c2",))[0] == {"c2"}
    assert keep(5, "c2", kept=("c4",))[0] == {"c2", "c4"}


def test_few_images_cannot_show_a_small_drop_and_it_says_so() -> None:
    exact, heard = runner(chain()), Heard()
    assert layers_to_keep(0.3, chain(), lambda _: exact, exact, 10, DATA, None, (), heard) == ()
    (warning,) = heard.warnings
    assert "one of 48 images is 2.1 pp already" in warning


def test_where_not_even_one_layer_may_be_in_int8_it_is_refused_with_the_remedy() -> None:
    model = chain()
    heard = Heard()
    with pytest.raises(
        GuardFailed,
        match=r"--max-drop: int8 loses more than 1 pp even with all layers but dense in float: .*without --int8",
    ):
        layers_to_keep(
            1, model, lambda _: lambda inputs: -runner(model)(inputs), runner(model), 10, DATA, None, (), heard
        )


def test_synthetic_images_judge_nothing() -> None:
    made = array_set(INPUTS, synthetic=True)
    with pytest.raises(BadData, match=r"--max-drop: .*none were given\. Pass --validation"):
        judging_set(made, None)
    assert judging_set(made, DATA) is DATA
    assert judging_set(DATA, None) is DATA
