"""Two artifacts, of one format or two, in one measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.bench.beside import put_beside, questions_beside, refuse_unlike
from edgeguard.bench.intervals import log_ratios, ratio_interval
from edgeguard.bench.measure import measure
from edgeguard.bench.settings import Settings
from edgeguard.bench.variants import Variants, choose_variants
from edgeguard.cli.bench_report import print_report
from edgeguard.errors import UsageError
from tests.artifacts import make_artifact
from tests.bench.test_measure import Recorder
from tests.tflite_artifacts import make_tflite_artifact

TINY = Settings("quick", processes=3, blocks=3, runs=3, seed=3)


def variants_of(path: Path, scratch: Path) -> Variants:
    scratch.mkdir()
    return choose_variants(open_artifact(path), scratch)


def test_variants_of_the_other_are_named_apart_and_share_the_control(tmp_path: Path) -> None:
    first = make_artifact(tmp_path, defense=None)
    second = make_tflite_artifact(tmp_path, quantized=False)
    both = put_beside(variants_of(first, tmp_path / "a"), variants_of(second, tmp_path / "b"))
    names = [variant.name for variant in both.timed]
    assert names == [subject.name for subject in both.subjects]
    assert names == [
        "float",
        "int8",
        "deployed",
        "control",
        "end-to-end",
        "beside-float",
        "beside-defended",
        "beside-end-to-end",
    ]
    assert [variant.format for variant in both.timed] == ["onnx"] * 5 + ["tflite"] * 3
    assert [entry.name for entry in both.skipped] == ["beside-int8"]
    assert len({subject.inputs for subject in both.subjects}) == 4
    assert questions_beside(names) == [
        ("beside-float", "float"),
        ("beside-end-to-end", "end-to-end"),
        ("beside-defended", "deployed"),
    ]


def test_alone_there_is_nothing_to_ask() -> None:
    assert questions_beside(["float", "int8", "defended", "control", "end-to-end"]) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"size": 16}, r"inputs.*\[3, 4, 4\] and \[3, 16, 16\]"), ({"batch": 3}, "batches.*: 3 and 1")],
)
def test_artifacts_that_do_different_work_are_refused(tmp_path: Path, changes: dict[str, int], what: str) -> None:
    own = make_artifact(tmp_path) if "size" in changes else make_tflite_artifact(tmp_path, name="own")
    other = make_tflite_artifact(tmp_path, batch=changes.get("batch", 1))
    with pytest.raises(UsageError, match=what) as raised:
        refuse_unlike(open_artifact(own), open_artifact(other))
    assert raised.value.where == str(other)


def test_a_whole_measurement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = make_tflite_artifact(tmp_path, name="own")
    other = make_tflite_artifact(tmp_path, name="other", seed=3)
    result = measure(own, TINY, Recorder(), other)
    assert result.beside is not None
    assert (result.artifact.name, result.beside.name) == ("own.edgeguard", "other.edgeguard")
    assert result.artifact.model_sha256 != result.beside.model_sha256
    digests = {variant.name: variant.sha256 for variant in result.variants}
    assert digests["beside-defended"] == result.beside.model_sha256
    (ratio,) = [ratio for ratio in result.ratios if ratio.name == "beside-defended/defended"]
    logs = [log_ratios(process.blocks, "beside-defended", "defended") for process in result.processes]
    assert ratio.interval == ratio_interval(logs, confidence=0.95, seed=3)
    assert {"beside-int8/int8", "beside-defended/beside-int8"} <= {entry.name for entry in result.ratios}
    print_report(result)
    assert "own.edgeguard beside other.edgeguard on" in capsys.readouterr().out
