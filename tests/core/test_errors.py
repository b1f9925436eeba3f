"""What errors say, and which exit code they mean."""

from __future__ import annotations

import copy
import pickle

import pytest

from edgeguard import errors
from edgeguard.errors import BadModel, EdgeguardError, MissingExtra, OutputExists

KINDS = [getattr(errors, name) for name in errors.__all__]


def test_the_message_says_what_where_and_how_to_fix_it() -> None:
    assert str(BadModel("is broken", where="model.pt", fix="Save it again")) == "model.pt: is broken. Save it again"
    assert str(BadModel("is broken")) == "is broken"
    assert str(BadModel("is broken", fix="Save it again")) == "is broken. Save it again"


def test_every_kind_is_listed_and_derives_from_the_base() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert defined == set(KINDS)
    assert all(issubclass(kind, EdgeguardError) for kind in KINDS)


def test_the_tree_in_the_docstring_has_every_kind_with_its_code() -> None:
    documentation = errors.__doc__
    assert documentation is not None
    for kind in KINDS:
        line = next(line for line in documentation.splitlines() if f" {kind.__name__} " in f"{line} ")
        assert f" {kind.exit_code} " in line


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EdgeguardError", 1),
        ("UsageError", 2),
        ("RejectedInput", 3),
        ("Untrusted", 4),
        ("InvalidMeasurement", 5),
        ("DeviceError", 6),
    ],
)
def test_exit_codes(name: str, code: int) -> None:
    base = getattr(errors, name)
    assert base.exit_code == code
    # Kinds below another code's base keep its code.
    below = [kind for kind in KINDS if issubclass(kind, base) and base is not EdgeguardError]
    assert all(kind.exit_code == code for kind in below)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not MissingExtra])
def test_errors_survive_being_sent_between_processes(kind: type[EdgeguardError]) -> None:
    error = kind("what", where="where", fix="Fix")
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is kind
        assert str(again) == "where: what. Fix"


def test_a_missing_extra_names_the_command() -> None:
    error = MissingExtra("torch", "export")
    assert str(error) == "torch is not installed. Install it with: pip install 'edgeguard[export]'"
    assert error.exit_code == 2
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_output_that_exists_is_a_usage_error() -> None:
    assert issubclass(OutputExists, errors.UsageError)
