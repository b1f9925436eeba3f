"""On the device: verify the artifacts N.edgeguard, and answer their golden inputs and random ones."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.artifact import open_artifact
from edgeguard.bench.device_kind import device_kind
from edgeguard.runtimes.goldens import read_goldens
from edgeguard.runtimes.loading import load_opened
from edgeguard.runtimes.verify import verify

_RANDOM = 64


def answer(path: Path) -> dict[str, Any]:
    opened = open_artifact(path)
    runtime = load_opened(opened, threads=1)
    shape = opened.manifest.model.input_shape
    goldens = read_goldens(opened.golden_path, shape, opened.manifest.classes)
    noise = np.random.default_rng(0).normal(size=(_RANDOM, *shape)).astype(np.float32)
    return {
        "checks": [asdict(check) for check in verify(path).checks],
        "golden": text(runtime.answer(goldens.inputs)),
        "noise": text(runtime.answer(noise)),
    }


def text(values: np.ndarray[Any, Any]) -> str:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return base64.b64encode(stream.getvalue()).decode()


def facts() -> dict[str, Any]:
    found = device_kind()
    packages = sorted(name.lower() for each in metadata.distributions() if (name := each.metadata["Name"]))
    return {"kind": found.kind, "evidence": found.evidence, "packages": packages}


request = json.loads(Path("request.json").read_text())
answers = [answer(Path(f"{index}.edgeguard").absolute()) for index in range(request["artifacts"])]
print(json.dumps({"facts": facts(), "artifacts": answers}))
