"""What a device must be able to import without the exporting half: every megabyte and second counts on a Pi."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.artifacts import make_artifact

REPORT = "import json, sys; print(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"


def loaded(code: str, *arguments: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}", *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout))


def test_the_probe_notices_what_is_loaded() -> None:
    assert "onnx" in loaded("import onnx")


def test_importing_edgeguard_and_its_runtimes_loads_no_engine() -> None:
    modules = loaded("import edgeguard, edgeguard.runtimes")
    assert "numpy" in modules
    assert not modules & {"torch", "onnx", "onnxruntime", "onnxscript", "ai_edge_litert", "pydantic", "PIL", "click"}


@pytest.mark.parametrize("placement", ["graph", "host"])
def test_answering_needs_neither_torch_nor_onnx(tmp_path: Path, placement: str) -> None:
    artifact = make_artifact(tmp_path, placement=placement)  # type: ignore[arg-type]
    code = (
        "import sys, numpy, edgeguard.runtimes\n"
        "runtime = edgeguard.runtimes.load(sys.argv[1])\n"
        "assert runtime.predict([numpy.zeros((40, 30, 3), numpy.uint8)]).shape == (1, 10)"
    )
    modules = loaded(code, str(artifact))
    assert "onnxruntime" in modules
    assert not modules & {"torch", "onnx", "onnxscript"}


def test_verifying_and_measuring_need_neither_torch_nor_onnx() -> None:
    modules = loaded(
        "import edgeguard.runtimes.verify, edgeguard.calibration.accuracy\n"
        "import edgeguard.cli.verify, edgeguard.cli.run, edgeguard.cli.accuracy"
    )
    assert not modules & {"torch", "onnx", "onnxruntime", "onnxscript"}
