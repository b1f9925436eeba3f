"""Sessions are fed in blocks, and nobody notices."""

from __future__ import annotations

import numpy as np

from edgeguard.runtimes.ort_session import open_session, run_session
from tests.calibration.networks import convolutions, whole_inputs


def test_many_inputs_answer_as_each_alone() -> None:
    session = open_session(convolutions())
    inputs = whole_inputs(37, seed=0)
    alone = [run_session(session, image[None], None) for image in inputs]
    np.testing.assert_array_equal(run_session(session, inputs, None), np.concatenate(alone))


def test_no_input_has_no_answer() -> None:
    session = open_session(convolutions())
    assert len(run_session(session, whole_inputs(1, seed=0)[:0], None)) == 0
