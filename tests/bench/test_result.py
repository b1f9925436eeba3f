"""``result.json``: its law, its published schema, and files that are none."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeguard.schemas
from edgeguard.bench.demand_messages import Moment, Node
from edgeguard.bench.demanded import Energy, Profile, Sustained, Weighed
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Block, ColdAnswer, Window
from edgeguard.bench.result import (
    SCHEMA_VERSION,
    Cold,
    Counted,
    CountRatio,
    Counts,
    Latency,
    Process,
    Ratio,
    Result,
    parse_result,
    read_result,
    result_schema,
    write_result,
)
from edgeguard.bench.throttled import Throttled
from edgeguard.bench.verdict import Reason, Verdict
from edgeguard.errors import BadData
from tests.bench.results import made_up_result

SCHEMA = Path(edgeguard.schemas.__file__).with_name("result.schema.json")

texts = st.text(max_size=10)
names = st.text("abc-", min_size=1, max_size=5)
counts = st.integers(0, 1 << 50)
numbers = st.floats(0, 1e12)
samples = st.lists(counts, max_size=4).map(tuple)
maybe = st.one_of(st.none(), counts)
blocks = st.builds(Block, st.lists(names, max_size=3).map(tuple), st.dictionaries(names, samples, max_size=3))
windows = st.builds(Window, numbers, numbers, numbers, st.one_of(st.none(), numbers), counts, samples)
processes = st.builds(Process, st.lists(names, max_size=3).map(tuple), st.lists(blocks, max_size=3).map(tuple), windows)
colds = st.builds(Cold, names, st.lists(st.builds(ColdAnswer, counts, counts, samples, counts, counts)).map(tuple))
intervals = st.one_of(st.none(), st.builds(Interval, numbers, numbers, numbers, numbers))
conditions = st.lists(texts, max_size=2).map(tuple)
states = st.one_of(st.none(), st.builds(Throttled, texts, texts, conditions, conditions))
reasons = st.builds(Reason, st.sampled_from(["busy", "throttled"]), texts, st.sampled_from(["unknown", "invalid"]))
verdicts = st.builds(
    Verdict, st.sampled_from(["valid", "unknown", "invalid"]), st.lists(reasons, max_size=2).map(tuple)
)
counted = st.builds(Counted, names, samples, samples, counts, maybe)
count_ratios = st.builds(CountRatio, names, names, names, numbers)
events = st.sampled_from(["instructions", "cycles"])
maybe_counts = st.one_of(
    st.none(),
    st.builds(
        Counts,
        st.lists(counted, max_size=2).map(tuple),
        st.lists(count_ratios, max_size=2).map(tuple),
        st.dictionaries(events, counts),
    ),
)
moments = st.builds(
    Moment, numbers, counts, counts, counts, maybe, st.one_of(st.none(), numbers), st.one_of(st.none(), conditions)
)
sustained = st.one_of(
    st.none(),
    st.builds(
        Sustained,
        names,
        st.lists(moments, max_size=2).map(tuple),
        counts,
        counts,
        numbers,
        st.one_of(st.none(), numbers),
        st.booleans(),
    ),
)
nodes = st.builds(Node, texts, texts, st.one_of(st.none(), numbers), numbers)
profiles = st.builds(Profile, names, st.lists(nodes, max_size=2).map(tuple))
watts = st.lists(numbers, max_size=2).map(tuple)
weighed = st.builds(Weighed, names, counts, numbers, watts, numbers, numbers)
energy = st.one_of(st.none(), st.builds(Energy, watts, st.lists(weighed, max_size=2).map(tuple)))


@st.composite
def results(draw: st.DrawFn) -> Result:
    made_up = made_up_result()
    return replace(
        made_up,
        device_kind=draw(st.sampled_from(["board", "emulated", "host"])),
        seconds=draw(numbers),
        before=replace(made_up.before, throttled=draw(states), pressure=draw(st.dictionaries(names, numbers))),
        latency=draw(st.lists(st.builds(Latency, names, counts, maybe, maybe, maybe), max_size=3).map(tuple)),
        ratios=draw(st.lists(st.builds(Ratio, names, names, names, intervals), max_size=3).map(tuple)),
        cold=draw(st.lists(colds, max_size=2).map(tuple)),
        verdict=draw(verdicts),
        findings=draw(st.lists(texts, max_size=3).map(tuple)),
        processes=draw(st.lists(processes, max_size=3).map(tuple)),
        counts=draw(maybe_counts),
        not_counted=draw(st.dictionaries(events, texts)),
        sustained=draw(sustained),
        profiles=draw(st.lists(profiles, max_size=2).map(tuple)),
        energy=draw(energy),
    )


@settings(deadline=None, max_examples=60)
@given(result=results())
def test_reading_what_was_written_gives_an_equal_result(
    tmp_path_factory: pytest.TempPathFactory, result: Result
) -> None:
    path = tmp_path_factory.getbasetemp() / "law.result.json"
    path.write_bytes(write_result(result))
    assert read_result(path) == result
    jsonschema.validate(json.loads(path.read_bytes()), result_schema())


def test_the_published_schema_is_current() -> None:
    """Run with EDGEGUARD_UPDATE=1 after a change of the result's types, and review the difference."""
    expected = json.dumps(result_schema(), indent=2) + "\n"
    if os.environ.get("EDGEGUARD_UPDATE"):
        SCHEMA.write_text(expected)
    assert SCHEMA.read_text() == expected, "run EDGEGUARD_UPDATE=1 pytest tests/bench/test_result.py"


def test_a_wrong_result_does_not_fit_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    data = json.loads(write_result(made_up_result()))
    jsonschema.validate(data, schema)
    data["device_kind"] = "toaster"
    with pytest.raises(jsonschema.ValidationError, match="toaster"):
        jsonschema.validate(data, schema)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "the file"),
        ("{}", "device_kind"),
        (json.dumps({"min_reader": SCHEMA_VERSION + 1}), "newer edgeguard"),
        ("\x00\xff", "is not JSON"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadData, match=words):
        read_result(path)


def test_bytes_that_came_from_elsewhere_are_named_after_it() -> None:
    data = write_result(made_up_result())
    assert parse_result(data, "pi@there") == made_up_result()
    with pytest.raises(BadData, match=r"pi@there: .*is not JSON"):
        parse_result(data[:-100], "pi@there")


def test_a_result_of_version_1_is_still_read(tmp_path: Path) -> None:
    """Everything that version 2 added may be missing."""
    data = json.loads(write_result(made_up_result()))
    for name in ("counts", "not_counted", "sustained", "profiles", "energy"):
        del data[name]
    del data["plan"]["counted"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**data, "schema_version": 1, "min_reader": 1}))
    old = read_result(path)
    assert (old.counts, old.not_counted, old.plan.counted, old.schema_version) == (None, {}, 0, 1)
    assert (old.sustained, old.profiles, old.energy) == (None, (), None)
    assert old.processes == made_up_result().processes


def test_variants_of_version_2_ran_in_onnxruntime(tmp_path: Path) -> None:
    data = json.loads(write_result(made_up_result()))
    for variant in data["variants"]:
        for name in ("format", "engine", "kernels"):
            del variant[name]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**data, "schema_version": 2, "min_reader": 2}))
    assert {(one.format, one.engine, one.kernels) for one in read_result(path).variants} == {
        ("onnx", "onnxruntime", None)
    }
    assert data["min_reader"] == 2


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"none\.json"):
        read_result(tmp_path / "none.json")


def test_a_changed_sample_type_is_named(tmp_path: Path) -> None:
    data = json.loads(write_result(made_up_result()))
    data["processes"][0]["blocks"][0]["samples_ns"]["float"][1] = "fast"
    path = tmp_path / "result.json"
    path.write_text(json.dumps(data))
    with pytest.raises(BadData, match=r"processes\.0\.blocks\.0\.samples_ns\.float\.1"):
        read_result(path)
