"""Digests: known values, and that what differs differs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgeguard.digests import array_digest, file_digest, json_digest

Array = np.ndarray[Any, Any]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def test_a_file_has_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"")
    assert file_digest(path) == hashlib.sha256().hexdigest()


@given(npst.arrays(npst.integer_dtypes() | npst.floating_dtypes(), npst.array_shapes(max_dims=3)))
def test_the_layout_in_memory_does_not_matter(array: Array) -> None:
    assert array_digest(np.asfortranarray(array)) == array_digest(array)
    assert array_digest(np.repeat(array, 2, axis=0)[::2]) == array_digest(array)


def test_dtype_shape_and_values_matter() -> None:
    base = np.arange(6, dtype=np.uint8)
    variants = [base, base.astype(np.int8), base.reshape(2, 3), base.reshape(3, 2), base[::-1], base[:5]]
    assert len({array_digest(variant) for variant in variants}) == len(variants)


@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert json_digest(dict(reversed(value.items()))) == json_digest(value)


@given(json_values, json_values)
def test_different_data_have_different_digests(first: Any, second: Any) -> None:
    # repr tells True from 1 as JSON does.
    assert (json_digest(first) == json_digest(second)) == (_sorted(first) == _sorted(second))


def _sorted(value: Any) -> str:
    if isinstance(value, dict):
        return f"object {sorted((key, _sorted(item)) for key, item in value.items())}"
    return repr([_sorted(item) for item in value]) if isinstance(value, list) else repr(value)
