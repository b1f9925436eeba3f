"""The demo, as ``make demo`` runs it."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgeguard.runtimes import load
from edgeguard.runtimes.verify import verify
from tests.cli.shell import edgeguard

pytest.importorskip("sklearn")
pytest.importorskip("torch")


@pytest.mark.slow
def test_the_demo_leaves_a_defended_int8_artifact_that_verifies(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    # What an earlier demo may have left.
    (out / "model.edgeguard").mkdir(parents=True)
    (out / "model.pt").write_bytes(b"older")
    done = edgeguard("demo", "-o", out)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for command in ("export", "verify", "run", "accuracy", "bench"):
        assert f"$ edgeguard {command} " in done.stdout
    assert verify(out / "model.edgeguard").passed
    runtime = load(out / "model.edgeguard")
    assert runtime.manifest.defense is not None
    assert runtime.manifest.quantization is not None
    # 99.7 % on scikit-learn's digits; below 95 % training or preprocessing is broken.
    with np.load(out / "validation.npz") as data:
        right = runtime.predict(data["x"]).argmax(axis=-1) == data["y"]
    assert right.mean() > 0.95
    result = json.loads((out / "model.result.json").read_bytes())
    assert result["device_kind"] in ("host", "board", "emulated")
