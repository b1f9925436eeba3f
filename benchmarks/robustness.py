"""Every model of the reference set's robustness zip through the main job: accepted and defended, or refused.

The files are real ones from public repositories: classifiers, single operators, broken files. Each ONNX file is
exported with a defense by a warm worker process, as float and, if that is accepted, in int8 with eight random inputs as
calibration; each TFLite file is defended as it is. A worker that crashes or hangs is replaced, and the file counts as
failed.

    .venv/bin/python benchmarks/robustness.py
    .venv/bin/python benchmarks/robustness.py --format tflite
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

# Run as a script, it is in no package; the workers import it by name.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.robustness_rules import rule_of
from benchmarks.robustness_tables import IMAGES, LIMIT, Row, write_table
from edgeguard.calibration.observers import DEFAULT_OBSERVER
from edgeguard.cli.preprocessing import Chosen
from edgeguard.errors import EdgeguardError
from edgeguard.export.loading import LoadRequest
from edgeguard.export.pipeline import export
from edgeguard.export.prepare import leave_alone, prepare
from edgeguard.export.request import CalibrationChoice, DefenseChoice, ExportRequest, QuantizationChoice
from edgeguard.manifest import Format, Manifest
from edgeguard.targets import DEFAULT_TARGET, find_target

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = Path("robustness", "real_models.zip")


@dataclass(frozen=True, slots=True)
class Job:
    """One export."""

    model: Path
    output: Path
    calibration: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one export.

    :param verdict: ``accepted``, ``rejected``, or ``failed``: a traceback, a crash or a hang.
    :param code: the exit code that the command line gives.
    :param rule: short name of the rule that refused it.
    :param classes: number of classes, of an accepted one.
    """

    verdict: str
    code: int
    rule: str
    message: str
    classes: int
    input_shape: tuple[int, ...]
    seconds: float


class Worker:
    """A process that exports one file after the other, replaced when it dies or takes too long."""

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def run(self, job: Job) -> Outcome:
        """The outcome of one export."""
        began = time.monotonic()
        self._pipe.send(job)
        try:
            if self._pipe.poll(self._limit):
                outcome: Outcome = self._pipe.recv()
                return outcome
            what = f"took longer than {self._limit:.0f} s"
        except (EOFError, ConnectionResetError):
            self._process.join()
            what = f"killed the process (exit code {self._process.exitcode})"
        self.stop()
        self._start()
        return Outcome("failed", 1, "", what, 0, (), time.monotonic() - began)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        self._pipe, child = self._context.Pipe()
        self._process: BaseProcess = self._context.Process(target=_serve, args=(child,), daemon=True)
        self._process.start()
        child.close()
        self._pipe.recv()


class _Silent:
    def step(self, text: str) -> None:
        """Nobody listens."""

    warn = step

    def progress(self, done: int, total: int) -> None:
        """Nobody watches."""


def model_files(archive: Path, folder: Path, kind: Format) -> list[Path]:
    """Unpack the archive; its files of one format, by name."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return sorted(path for path in folder.rglob(f"*.{kind}") if path.is_file())


def examine(files: Iterable[Path], root: Path, scratch: Path, *, int8: bool) -> Iterator[Row]:
    """Export each of ``files``, which lie below ``root``."""
    worker = Worker()
    try:
        for index, path in enumerate(files):
            exact = worker.run(Job(path, scratch / f"{index}.edgeguard"))
            quantized = None
            if int8 and exact.verdict == "accepted":
                calibration = scratch / f"{index}.npz"
                inputs = np.random.default_rng(0).random((IMAGES, *exact.input_shape), np.float32)
                np.savez(calibration, x=inputs)
                quantized = worker.run(Job(path, scratch / f"{index}-int8.edgeguard", calibration))
            yield _row(path, root, exact, quantized)
    finally:
        worker.stop()


def _serve(pipe: Connection) -> None:
    pipe.send("ready")
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        began = time.monotonic()
        try:
            as_it_is = job.model.suffix == ".tflite"
            manifest = export(_request(job), _Silent(), prepare=leave_alone if as_it_is else prepare)
            verdict, code, message = "accepted", 0, ""
            classes, shape = _checked(manifest), manifest.model.input_shape
        except EdgeguardError as error:
            verdict, code, message, classes, shape = "rejected", error.exit_code, str(error), 0, ()
        except Exception:
            verdict, code, message, classes, shape = "failed", 1, traceback.format_exc(), 0, ()
        pipe.send(
            Outcome(
                verdict, code, rule_of(message), message.replace(str(job.model), job.model.name), classes, shape,
                time.monotonic() - began,
            )
        )  # fmt: skip


def _request(job: Job) -> ExportRequest:
    return ExportRequest(
        load=LoadRequest(job.model, accepts="quantized" if job.model.suffix == ".tflite" else "float"),
        output=job.output,
        target=find_target(DEFAULT_TARGET),
        preprocess=Chosen(None, None, None, None, None, None, None, None, _Silent().warn),
        calibration=CalibrationChoice(job.calibration, DEFAULT_OBSERVER),
        quantization=None if job.calibration is None else QuantizationChoice(),
        defense=DefenseChoice("dcp"),
    )


def _checked(manifest: Manifest) -> int:
    assert manifest.defense is not None
    assert manifest.model.head.kind == "posterior"
    return manifest.model.head.classes


def _row(path: Path, root: Path, exact: Outcome, quantized: Outcome | None) -> Row:
    int8 = "" if quantized is None else quantized.rule if quantized.verdict == "rejected" else quantized.verdict
    return Row(
        file=str(path.relative_to(root)),
        bytes=path.stat().st_size,
        verdict=exact.verdict,
        code=exact.code,
        rule=exact.rule,
        classes=exact.classes,
        seconds=round(exact.seconds, 2),
        int8=int8,
        int8_seconds=0.0 if quantized is None else round(quantized.seconds, 2),
        message=exact.message if quantized is None or not quantized.message else f"int8: {quantized.message}",
    )


def main() -> None:
    """Run everything and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", dest="kind", choices=["onnx", "tflite"], default="onnx")
    parser.add_argument("--only", default="", help="files whose path holds this text; nothing is written then")
    options = parser.parse_args()
    chosen, kind = options.only, options.kind
    reference = Path(os.environ.get("EDGEGUARD_REFERENCE", ROOT.parent / "shared" / "reference"))
    with tempfile.TemporaryDirectory() as name:
        unpacked, scratch = Path(name, "files"), Path(name, "out")
        scratch.mkdir()
        files = [path for path in model_files(reference / ARCHIVE, unpacked, kind) if chosen in str(path)]
        rows = []
        for row in examine(files, unpacked, scratch, int8=kind == "onnx"):
            print(f"{row.verdict:9} {row.seconds:6.2f} s  {row.int8:10} {row.file}  {row.rule}", flush=True)
            if row.verdict == "failed" or row.rule == "other" or row.int8 in ("failed", "other"):
                print(row.message)
            rows.append(row)
    if not chosen:
        write_table(rows, kind)


if __name__ == "__main__":
    main()
