"""Asking a device for its answers: one program there, which runs everything that was sent along."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device_tests.subjects import Subject
from edgeguard.artifact import MANIFEST
from edgeguard.fleet.transport import Transport
from edgeguard.fleet.workspace import run_in_workspace

__all__ = ["Answers", "answers_of", "graph_answers", "run_there"]

Array = np.ndarray[Any, Any]

_TIMEOUT_S = 800.0
_PROGRAMS = Path(__file__).with_name("programs")


@dataclass(frozen=True)
class Answers:
    """What a device said.

    :param facts: of the machine: its kind, and the packages of its environment.
    :param checks: per artifact, what ``edgeguard verify`` found there: name of a check to whether it passed and why.
    :param golden: per artifact, the answers to its golden inputs, float32 ``[n, classes]``.
    :param noise: per artifact, the answers to random inputs.
    """

    facts: dict[str, Any]
    checks: dict[str, dict[str, tuple[bool, str]]]
    golden: dict[str, Array]
    noise: dict[str, Array]


def answers_of(device: Transport, directory: str, subjects: Mapping[str, Subject]) -> Answers:
    """Send all artifacts there and ask for everything at once: starting Python is what takes time."""
    files: dict[str, Path | bytes] = {
        f"{index}.edgeguard/{name}": subject.opened.path / name
        for index, subject in enumerate(subjects.values())
        for name in (MANIFEST, *subject.opened.manifest.files)
    }
    said = run_there(device, directory, "answer", files, {"artifacts": len(subjects)})
    names = dict(zip(subjects, said["artifacts"], strict=True))
    return Answers(
        facts=said["facts"],
        checks={
            name: {check["name"]: (check["passed"], check["detail"]) for check in each["checks"]}
            for name, each in names.items()
        },
        golden={name: _array(each["golden"]) for name, each in names.items()},
        noise={name: _array(each["noise"]) for name, each in names.items()},
    )


def graph_answers(device: Transport, directory: str, graphs: Mapping[str, tuple[bytes, Array]]) -> dict[str, Array]:
    """Run ONNX and TFLite files there.

    :param graphs: name to file and what is fed to it as it is.
    """
    files: dict[str, Path | bytes] = {}
    for index, (model, inputs) in enumerate(graphs.values()):
        kind = "tflite" if model[4:8] == b"TFL3" else "onnx"
        files[f"{index}.{kind}"] = model
        files[f"{index}.npy"] = _npy(inputs)
    said = run_there(device, directory, "graphs", files, {"graphs": len(graphs)})
    return {name: _array(each) for name, each in zip(graphs, said["answers"], strict=True)}


def run_there(
    device: Transport, directory: str, program: str, files: Mapping[str, Path | bytes], request: Mapping[str, Any]
) -> dict[str, Any]:
    """Run a program of ``device_tests/programs`` in edgeguard's environment on the device, among files.

    :param request: JSON data; the program finds it in ``request.json``.
    :returns: the JSON object that it prints.
    """
    content: dict[str, Path | bytes] = {
        **files,
        "request.json": json.dumps(request).encode(),
        "program.py": _PROGRAMS / f"{program}.py",
    }
    heard: list[str] = []
    ran = run_in_workspace(device, directory, content, ["-P", "program.py"], timeout=_TIMEOUT_S, on_line=heard.append)
    assert ran.code == 0, "\n".join(heard)
    said: dict[str, Any] = json.loads(ran.stdout)
    return said


def _npy(values: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def _array(text: str) -> Array:
    found: Array = np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
    return found
