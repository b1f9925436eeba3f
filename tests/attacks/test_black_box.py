"""Models that can be asked: where students and models disagree about the order of axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeguard.attacks.black_box import BlackBox, artifact_box, channels_first
from tests.tflite_artifacts import images, make_tflite_artifact


def test_a_student_sees_the_channels_first_and_the_model_what_it_always_saw(tmp_path: Path) -> None:
    box = artifact_box(make_tflite_artifact(tmp_path))
    seen = channels_first(box)
    assert (box.input_shape, seen.input_shape) == ((4, 4, 3), (3, 4, 4))
    pictures = images(50, seed=3)
    assert box.preprocess is not None
    assert seen.preprocess is not None
    answers = seen.ask(seen.preprocess(pictures))
    np.testing.assert_array_equal(answers, box.ask(box.preprocess(pictures)))
    assert len(np.unique(answers.argmax(axis=-1))) > 3
    assert channels_first(seen) is seen


def test_inputs_that_are_no_images_stay_as_they_are() -> None:
    box = BlackBox("words", lambda inputs: inputs, (4, 4, 3), None)
    assert channels_first(box) is box
