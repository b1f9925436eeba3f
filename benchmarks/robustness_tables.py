"""The tables of what became of real models: read, and written with a page for people."""

from __future__ import annotations

import csv
import datetime
import os
import platform
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path

from edgeguard.manifest import Format

__all__ = ["IMAGES", "LIMIT", "Row", "read_table", "table_of", "write_table"]

RESULTS = Path(__file__).parent / "results"
# Seconds that one export may take, and random inputs that an int8 export is calibrated on.
LIMIT = 20.0
IMAGES = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; ``int8`` is empty where the float export was refused already."""

    file: str
    bytes: int
    verdict: str
    code: int
    rule: str
    classes: int
    seconds: float
    int8: str
    int8_seconds: float
    message: str


def table_of(kind: Format) -> Path:
    """The committed table of one format."""
    return RESULTS / ("robustness.csv" if kind == "onnx" else f"robustness_{kind}.csv")


def read_table(path: Path) -> dict[str, Row]:
    """The committed table, by file."""
    kinds = {field.name: {"int": int, "float": float}.get(str(field.type), str) for field in fields(Row)}
    with path.open(newline="") as stream:
        rows = [Row(**{name: kinds[name](text) for name, text in line.items()}) for line in csv.DictReader(stream)]
    return {row.file: row for row in rows}


def write_table(rows: list[Row], kind: Format) -> None:
    """Write the table of one format, and the page beside it."""
    with table_of(kind).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    table_of(kind).with_suffix(".md").write_text(_MARKDOWN[kind](rows))


def _onnx_markdown(rows: list[Row]) -> str:
    lines = [
        *_begun("Real ONNX files through a full export", "benchmarks/robustness.py", rows, ("onnx", "onnxruntime")),
        f"`int8`: the same with `--int8` and {IMAGES} random inputs as calibration. Messages: `robustness.csv`.",
        "",
        "| file | float | int8 | exit code | rule | classes | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row.file} | {row.verdict} | {row.int8} | {row.code} | {row.rule} | {row.classes or ''} "
            f"| {row.seconds:.2f} |"
            for row in rows
        ),
    ]
    return "\n".join([*lines, ""])


def _tflite_markdown(rows: list[Row]) -> str:
    command = "benchmarks/robustness.py --format tflite"
    lines = [
        *_begun("Real TFLite files, defended as they are", command, rows, ("ai-edge-litert",)),
        "Messages: `robustness_tflite.csv`.",
        "",
        "| file | verdict | exit code | rule | classes | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row.file} | {row.verdict} | {row.code} | {row.rule} | {row.classes or ''} | {row.seconds:.2f} |"
            for row in rows
        ),
    ]
    return "\n".join([*lines, ""])


def _begun(title: str, command: str, rows: list[Row], packages: tuple[str, ...]) -> list[str]:
    count = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("accepted", "rejected", "failed")}
    versions = ", ".join(f"{name} {version(name)}" for name in (*packages, "numpy"))
    slowest = max(max(row.seconds, row.int8_seconds) for row in rows)
    return [
        f"# {title}",
        "",
        f"`.venv/bin/python {command}`, {datetime.date.today()}, {platform.machine()}, "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {versions}.",
        "",
        f"{len(rows)} files of `robustness/real_models.zip`: {count['accepted']} accepted and defended, "
        f"{count['rejected']} rejected with a reason, {count['failed']} failed (traceback, crash or more than "
        f"{LIMIT:.0f} s). Slowest: {slowest:.1f} s in a warm worker.",
    ]


_MARKDOWN = {"onnx": _onnx_markdown, "tflite": _tflite_markdown}
