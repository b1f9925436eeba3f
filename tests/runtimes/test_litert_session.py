"""LiteRT sessions: blocks of a fixed batch, integers on their grid, and which kernels really ran."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from edgeguard.errors import BadModel
from edgeguard.runtimes.held_back import held_back
from edgeguard.runtimes.litert_session import load_litert, open_litert
from tests.tflite_artifacts import LOGITS_GRID, PREPROCESS, images
from tests.tflite_files import INPUT_GRID, dense_file, dense_weights

INPUTS = PREPROCESS(images(7))


def test_any_number_of_inputs_goes_through_a_fixed_batch() -> None:
    one, three = open_litert(dense_file()), open_litert(dense_file(batch=3))
    assert (one.batch, three.batch) == (1, 3)
    np.testing.assert_allclose(one.run(INPUTS), three.run(INPUTS), atol=1e-6)
    assert three.run(INPUTS).shape == (7, 10)


def test_a_float_file_computes_what_numpy_does() -> None:
    weights, bias = dense_weights()
    expected = INPUTS.reshape(7, -1) @ weights.T + bias
    np.testing.assert_allclose(open_litert(dense_file(ends="logits")).run(INPUTS), expected, atol=1e-4)


def test_an_integer_file_answers_on_its_grid_and_as_numbers() -> None:
    session = open_litert(dense_file(LOGITS_GRID, ends="logits"))
    held = session.run(INPUTS)
    assert held.dtype == np.int8
    exact = open_litert(dense_file(ends="logits")).run(INPUTS)
    assert np.abs(session.dequantized(held) - exact).max() < 2 * LOGITS_GRID[0]
    real = open_litert(dense_file()).run(INPUTS)
    assert session.dequantized(real) is real


def test_inputs_become_the_nearest_integers() -> None:
    session = open_litert(dense_file(LOGITS_GRID))
    pixels = images(7)
    assert session.quantized(PREPROCESS(pixels)).dtype == np.int8
    np.testing.assert_array_equal(session.quantized(PREPROCESS(pixels)), pixels.astype(int) + INPUT_GRID[1])


def test_the_kernels_that_ran_are_told() -> None:
    assert open_litert(dense_file()).kernels == "xnnpack"
    assert open_litert(dense_file(), xnnpack=False).kernels == "builtin"
    # XNNPACK has no operator for the number of the largest.
    assert open_litert(dense_file(ends="top")).kernels == "xnnpack, builtin"


def test_several_outputs_are_refused_unless_they_are_looked_at() -> None:
    file = dense_file(exposes="output")
    with pytest.raises(BadModel, match="has 1 inputs and 2 outputs"):
        open_litert(file)
    assert load_litert(file).surplus == ("logits",)
    assert load_litert(dense_file(signed=True)).surplus == ()


def test_only_the_lines_that_are_known_are_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with held_back(b"known"):
        os.write(2, b"before\nknown\n")
        os.write(2, b"unknown\nknown, but longer\n")
    os.write(2, b"known\n")
    assert capfd.readouterr().err == "before\nunknown\nknown, but longer\nknown\n"


def test_two_threads_leave_the_right_standard_error_behind(capfd: pytest.CaptureFixture[str]) -> None:
    def write(number: int) -> None:
        for _ in range(50):
            with held_back(b"noise"):
                os.write(2, b"noise\n")
        os.write(2, b"%d\n" % number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"end\n")
    assert sorted(capfd.readouterr().err.split()) == ["0", "1", "2", "3", "end"]


def test_a_closed_standard_error_is_no_obstacle() -> None:
    before = os.dup(2)
    os.close(2)
    try:
        with held_back(b"noise"):
            reached = True
    finally:
        os.dup2(before, 2)
        os.close(before)
    assert reached
