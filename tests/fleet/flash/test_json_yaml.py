"""JSON documents that PyYAML, which cloud-init reads them with, understands as they were meant."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from edgeguard.fleet.flash.json_yaml import document

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
@example({"\U0001f600": "\U0001f600\x7f\x85\xa0\u2028\u2029\ufeff\ufffe\uffff"})
@example({"a: b": "- x", "no": "yes", "#": "# no comment", "&a": "*a", "<<": "~", "1e3": "!!python/object:x"})
@example(["\n#cloud-config\nruncmd: [reboot]", '"}, "runcmd": ["reboot"]', "{{ v1.region }}", "\\", "\x00\x1b"])
def test_yaml_and_json_read_the_same(value: Any) -> None:
    text = document(value)
    assert json.loads(text) == value
    read = yaml.safe_load(text)
    assert read == value
    assert json.dumps(read) == json.dumps(value)
    assert text.encode().decode() == text


def test_what_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        document({"x": math.nan})
