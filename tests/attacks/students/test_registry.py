"""Students: what they are called, and that each takes the images that evaluations have."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.attacks.isolation import seeded
from edgeguard.attacks.students.registry import STUDENTS, Student, build, factory_of, parse_student
from edgeguard.errors import UsageError
from edgeguard.export.loading import LoadRequest
from edgeguard.export.loading.pickled import build_network

COLOUR, GREY = (3, 32, 32), (1, 28, 28)
# Thirty-six million weights take seconds to draw: its parameters are counted elsewhere, without drawing them.
SMALL = sorted(set(STUDENTS) - {"wrn28-10"})


@given(st.sampled_from(sorted(STUDENTS)), st.none() | st.integers(1, 1024))
def test_text_form_round_trips(name: str, width: int | None) -> None:
    student = Student(name, width)
    assert parse_student(str(student)) == student


def test_text_form() -> None:
    assert parse_student("resnet20") == Student("resnet20")
    assert parse_student("resnet20/4") == Student("resnet20", 4)
    assert str(Student("wrn16-1", 8)) == "wrn16-1/8"


@pytest.mark.parametrize(
    "text", ["", "resnet21", "resnet20/", "resnet20/0", "resnet20/-4", "resnet20/4/4", "resnet20/²"]
)
def test_refuses_what_names_no_student(text: str) -> None:
    with pytest.raises(UsageError):
        parse_student(text)


@pytest.mark.parametrize("shape", [COLOUR, GREY])
@pytest.mark.parametrize("name", SMALL)
def test_answers_with_a_row_of_logits_for_each_image(name: str, shape: tuple[int, ...]) -> None:
    network = build(Student(name, 4), shape, 7).eval()
    images = torch.randn((3, *shape), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features, logits = network.features(images), network(images)
        again = network.linear(features)
    assert features.shape == (3, network.linear.in_features)
    torch.testing.assert_close(logits, again)
    assert logits.shape == (3, 7)
    assert (logits[0] - logits[1]).abs().max() > 0


@pytest.mark.parametrize("width", [1, 3, 5])
def test_takes_odd_widths_and_sizes(width: int) -> None:
    assert build(Student("resnet20", width), (2, 9, 7), 3).eval()(torch.zeros(1, 2, 9, 7)).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "shape"), [("resnet20", (10,)), ("resnet20", (3, 2, 2)), ("lenet", (1, 28, 32)), ("lenet", (1, 8, 8))]
)
def test_refuses_inputs_that_a_student_cannot_take(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=name):
        build(Student(name), shape, 10)


@pytest.mark.parametrize("text", ["lenet", "lenet/3", "mobilenet-v2/8", "resnet20/4", "wrn16-1/4"])
def test_export_builds_the_same_network_from_the_names_of_factory_and_arguments(text: str, tmp_path: object) -> None:
    student = parse_student(text)
    arch, arguments = factory_of(student, GREY, 5)
    with seeded(1):
        built = build(student, GREY, 5)
    with seeded(1):
        loaded = build_network(LoadRequest(tmp_path, arch, arguments))  # type: ignore[arg-type]
    assert type(loaded) is type(built)
    assert loaded.state_dict().keys() == built.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in built.state_dict().items())


def test_naming_a_student_does_not_load_torch() -> None:
    code = (
        "import sys; from edgeguard.attacks.students.registry import parse_student; parse_student('lenet'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
