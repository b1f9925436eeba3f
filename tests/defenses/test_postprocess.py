"""The host post-processor gives what the graph gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeguard.defenses.gate import Score
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.defenses.record import record_of, recorded_defense
from edgeguard.defenses.registry import DEFENSES
from edgeguard.errors import BadModel
from tests.defenses.agreement import check_alike, tolerance
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import defense
from tests.defenses.strategies import DTYPES, every_kind, head_of, held

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("score", [None, "max-logit", "energy"])
@pytest.mark.parametrize("name", sorted(DEFENSES))
def test_a_recorded_defense_answers_as_the_graph_does(name: str, score: Score | None, dtype: str) -> None:
    head = head_of(dtype, 10)
    fitted = defense(name, head, score)
    host = PostProcessor(head, recorded_defense(record_of(fitted, "host")))
    raw = held(every_kind(10, seed=4), head)
    answers = host(raw)
    assert answers.dtype == np.float32
    check_alike(answers, onnx_answer(head, fitted)(raw), tolerance(fitted, head, raw))
    assert (answers == numpy_answer(head, fitted)(raw)).all()
    assert (host(raw) == answers).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(DEFENSES))
def test_batches_of_any_size(name: str, dtype: str) -> None:
    """Few queries may be answered by another way than many."""
    head = head_of(dtype, 10)
    fitted = defense(name, head, "max-logit")
    host, raw = PostProcessor(head, fitted), held(np.concatenate([every_kind(10, seed) for seed in range(4)]), head)
    whole = host(raw)
    for size in (1, 7, 32, 33):
        parts = [host(raw[start : start + size]) for start in range(0, len(raw), size)]
        check_alike(np.concatenate(parts), whole, tolerance(fitted, head, raw))
    assert host(raw[:0]).shape == (0, 10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_a_defense_the_posterior_is_the_answer(dtype: str) -> None:
    head = head_of(dtype, 10)
    raw = held(every_kind(10, seed=4), head)
    answers = PostProcessor(head, None)(raw)
    assert answers.dtype == np.float32
    assert (answers == numpy_answer(head, None)(raw)).all()
    assert np.abs(answers - onnx_answer(head, None)(raw)).max() < 1e-6


def test_a_defense_tuned_for_another_network_is_refused() -> None:
    head = Head("logits", 10, "int8", 0.5, 0)
    fitted = defense("codebook", Head("logits", 10))
    assert fitted.grid != Grid(0.5, 0)
    with pytest.raises(BadModel, match="tuned for other logits"):
        PostProcessor(head, fitted)(np.zeros((1, 10), np.int8))
