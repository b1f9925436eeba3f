"""One row of the table: a network, a quantizer, its settings. What is done is kept in the work directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx

from benchmarks.int8.environments import ROOT, CannotInstall, environment, versions
from benchmarks.int8.job import Job, Spent
from benchmarks.int8.logits import ending_in_logits, logits_of
from benchmarks.int8.registry import Peer
from benchmarks.int8.subjects import Subject

__all__ = ["Row", "is_done", "row"]


@dataclass(frozen=True)
class Row:
    """One quantized network.

    :param spent: ``None`` where there is no file.
    :param why: why there is none, or none that runs; empty otherwise.
    :param place: of the file and its logits over the test set, without their suffixes.
    """

    network: str
    peer: str
    settings: str
    versions: tuple[str, ...]
    spent: Spent | None
    why: str
    place: Path

    @property
    def model(self) -> Path:
        """The int8 file, ending in float logits."""
        return self.place.with_suffix(".int8.onnx")

    @property
    def logits(self) -> Path:
        """Of the test images, float32 ``[n, classes]``."""
        return self.place.with_suffix(".logits.npy")

    def write(self, path: Path) -> None:
        """As JSON; the place is left out, so that a work directory can be moved."""
        content = asdict(self) | {"place": None}
        path.write_text(json.dumps(content, indent=1))


def row(subject: Subject, peer: Peer, settings: str, work: Path, limit_s: float, seed: int) -> Row:
    """Quantize and evaluate, unless that was done before.

    :param limit_s: longest that quantizing may take.
    """
    place = _place(subject, peer, settings, work)
    kept = _kept(place)
    if kept.exists():
        return _read(kept, place)
    place.parent.mkdir(parents=True, exist_ok=True)
    made = _made(subject, peer, settings, place, work, limit_s, seed)
    made.write(kept)
    return made


def is_done(subject: Subject, peer: Peer, settings: str, work: Path) -> bool:
    """Whether :func:`row` would find it in the work directory."""
    return _kept(_place(subject, peer, settings, work)).exists()


def _place(subject: Subject, peer: Peer, settings: str, work: Path) -> Path:
    return work / subject.name / f"{peer.name}-{settings}"


def _kept(place: Path) -> Path:
    return place.with_suffix(".json")


def _made(subject: Subject, peer: Peer, settings: str, place: Path, work: Path, limit_s: float, seed: int) -> Row:
    try:
        python = environment(peer, work)
    except CannotInstall as error:
        return Row(subject.name, peer.name, settings, (), None, f"cannot be installed: {error}", place)
    found = versions(peer, python)
    raw = place.with_suffix(".raw.onnx")
    module = None if subject.module is None else str(subject.module)
    job = Job(peer.module, settings, str(subject.model), module, str(subject.calibration), str(raw), seed)
    spent, why = _run(job, python, place, limit_s)
    made = Row(subject.name, peer.name, settings, found, spent, why, place)
    if why:
        return made
    try:
        onnx.save(ending_in_logits(onnx.load(raw)), made.model)
        np.save(made.logits, logits_of(made.model, np.load(subject.test, mmap_mode="r")))
    except Exception as error:  # whatever a file that somebody else wrote provokes
        return Row(subject.name, peer.name, settings, found, spent, f"its file does not run: {_short(error)}", place)
    return made


def _run(job: Job, python: Path, place: Path, limit_s: float) -> tuple[Spent | None, str]:
    """What it took, or why it failed."""
    scratch = place.with_suffix(".scratch")
    scratch.mkdir(exist_ok=True)
    job.write(scratch / "job.json")
    # onnxruntime's and quark's caches lie where they run.
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [str(python), "-m", "benchmarks.int8.work", str(scratch / "job.json")]
    log = place.with_suffix(".log")
    with log.open("w") as heard:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=heard, text=True, cwd=scratch, env=environ, timeout=limit_s
            )
        except subprocess.TimeoutExpired:
            return None, f"not done after {limit_s / 60:.0f} minutes"
    if -done.returncode in (signal.SIGTERM, signal.SIGINT):
        raise SystemExit(f"{job.peer} was stopped: nothing is known about it")
    if done.returncode:
        said = log.read_text(errors="replace").strip().splitlines()
        return None, f"fails: {said[-1][:200] if said else done.returncode}"
    return Spent(**json.loads(done.stdout.strip().splitlines()[-1])), ""


def _read(path: Path, place: Path) -> Row:
    content = json.loads(path.read_text())
    spent = content.pop("spent")
    content |= {
        "place": place,
        "versions": tuple(content["versions"]),
        "spent": None if spent is None else Spent(**spent),
    }
    return Row(**content)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
