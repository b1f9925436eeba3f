"""Any manifest that can be, for tests of its laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from edgeguard.defenses.gate import Cells, Gate
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.record import DefenseRecord, Tuning
from edgeguard.manifest import (
    CalibrationFacts,
    FileFacts,
    Manifest,
    Measured,
    ModelFacts,
    QuantizationFacts,
    SourceFacts,
    oldest_reader,
)
from edgeguard.preprocess import Preprocess

__all__ = ["manifests"]

texts = st.text(max_size=12)
shares = st.floats(0, 1)
maybe = st.one_of(st.none(), shares)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
counts = st.integers(0, 1 << 40)
files = st.dictionaries(st.text("abc.", min_size=1, max_size=6), st.builds(FileFacts, digests, counts), max_size=3)
heads = st.one_of(
    st.builds(Head, st.sampled_from(["logits", "posterior"]), st.integers(2, 1000)),
    st.builds(
        Head,
        st.just("logits"),
        st.integers(2, 1000),
        st.sampled_from(["uint8", "int8"]),
        st.floats(1e-6, 1),
        st.integers(0, 127),
    ),
)
preprocesses = st.builds(
    Preprocess,
    st.tuples(st.integers(1, 512), st.integers(1, 512)),
    crop=st.one_of(st.none(), st.floats(0.1, 1)),
    colour=st.sampled_from(["rgb", "bgr"]),
    layout=st.sampled_from(["nchw", "nhwc"]),
    scale=st.floats(1e-6, 10),
    mean=st.tuples(shares, shares, shares),
    std=st.tuples(st.floats(0.1, 3)),
    resample=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
tables = st.one_of(
    st.lists(st.integers(-128, 1000), max_size=3).map(tuple),
    st.lists(shares, max_size=3).map(tuple),
    st.lists(st.lists(st.integers(0, 9), max_size=3).map(tuple), max_size=2).map(tuple),
)
# Two classes, two cells: the class that is wrong is the other one, whatever the level.
gates = st.builds(
    Gate,
    st.sampled_from(["max-logit", "max-probability", "energy"]),
    shares,
    st.builds(Cells, st.just(((1, -1), (-4, 0))), st.tuples(st.integers(-255, 255), st.integers(-255, 255))),
    st.sampled_from([((1, 3), (0, 2)), ((3, 3), (2, 2))]),
)
tunings = st.builds(
    Tuning,
    counts,
    st.sampled_from(["labels", "agreement", "every"]),
    maybe,
    counts,
    shares,
    texts,
    st.sampled_from([None, "queries", "stand-ins"]),
    counts,
    maybe,
    maybe,
)
by_format = st.one_of(
    st.fixed_dictionaries({"kind": st.just("onnx"), "min_onnxruntime": texts, "min_reader": st.integers(1, 3)}),
    st.just({"kind": "tflite", "min_onnxruntime": None, "min_reader": 3}),
)


def build_manifest(of_format: dict[str, Any], model: ModelFacts, **others: Any) -> Manifest:
    facts = {name: value for name, value in of_format.items() if name != "kind"}
    defense = others["defense"]
    if defense is not None and defense.gate is not None:
        facts["min_reader"] = oldest_reader(of_format["kind"], defense)
    return Manifest(model=replace(model, format=of_format["kind"]), **facts, **others)


manifests = st.builds(
    build_manifest,
    by_format,
    target=texts,
    source=st.builds(SourceFacts, texts, digests, texts),
    model=st.builds(
        ModelFacts,
        texts,
        st.just("onnx"),
        texts,
        st.lists(st.integers(1, 512), max_size=4).map(tuple),
        st.one_of(st.none(), st.integers(1, 64)),
        texts,
        heads,
    ),
    preprocess=st.one_of(st.none(), preprocesses),
    labels=st.lists(texts, max_size=4).map(tuple),
    tools=st.dictionaries(texts, texts, max_size=3),
    files=files,
    lab=files,
    calibration=st.one_of(
        st.none(),
        st.builds(
            CalibrationFacts,
            st.sampled_from(["images", "synthetic"]),
            counts,
            texts,
            st.dictionaries(texts, shares, max_size=2),
            digests,
            digests,
            maybe,
            st.one_of(st.none(), texts),
        ),
    ),
    quantization=st.one_of(
        st.none(),
        st.builds(
            QuantizationFacts,
            texts,
            texts,
            st.booleans(),
            st.booleans(),
            st.sampled_from(["float", "int8"]),
            st.lists(texts, max_size=2).map(tuple),
            shares,
            shares,
            counts,
            counts,
        ),
    ),
    defense=st.one_of(
        st.none(),
        st.builds(
            DefenseRecord,
            texts,
            counts,
            st.dictionaries(texts, st.one_of(shares, st.integers(-5, 5), texts), max_size=3),
            st.sampled_from(["graph", "host"]),
            st.booleans(),
            st.dictionaries(texts, tables, max_size=2),
            st.one_of(st.none(), gates),
            st.one_of(st.none(), st.builds(Grid, st.floats(1e-6, 10), st.integers(-128, 127))),
            st.one_of(st.none(), digests),
            st.one_of(st.none(), tunings),
        ),
    ),
    measured=st.one_of(
        st.none(),
        st.builds(
            Measured,
            st.sampled_from(["validation", "calibration"]),
            counts,
            shares,
            *[maybe] * 8,
            st.one_of(st.none(), counts),
            maybe,
        ),
    ),
    warnings=st.lists(texts, max_size=2).map(tuple),
)
