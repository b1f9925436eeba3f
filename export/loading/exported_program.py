"""ExportedPrograms (``.pt2``): data by design, but torch's reader would run code that a crafted one brings along.

``torch.export.load`` falls back to unrestricted pickle, evaluates symbolic shapes with sympy (that is, with ``eval``),
and looks operators up by name anywhere below ``torch``. Each of these is checked before it is called.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from edgeguard.errors import BadModel, UnsafeFile
from edgeguard.runtimes.first_line import first_line

__all__ = ["load_exported_program"]

_OPERATOR = re.compile(
    r"(torch\.ops\.(aten|prims|prim|higher_order|quantized_decomposed)\.(?!(from_file|save|while_loop)\b)\w+(\.\w+)?"
    r"|_operator\.(?!methodcaller|attrgetter|itemgetter|call)\w+|math\.\w+|torch\._?sym_\w+)"
)
_FUNCTIONS = frozenset(
    """
    Symbol Integer Rational Float Add Mul Pow Mod Max Min Abs FloorDiv CleanDiv CeilDiv ModularIndexing Where PythonMod
    CMod IntTrueDiv FloatTrueDiv TruncToInt TruncToFloat FloorToInt CeilToInt RoundToInt ToFloat Identity floor ceiling
    Eq Ne Lt Le Gt Ge Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan And Or Not
    """.split()  # noqa: SIM905  (thirty quoted names would be harder to read)
)
_PARTS = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop,
    ast.Compare, ast.cmpop, ast.keyword,
)  # fmt: skip


def load_exported_program(path: Path, *, trusted: bool) -> torch.export.ExportedProgram:
    """Load an ExportedProgram.

    :param trusted: whether pickled parts and unknown names in it may be loaded.
    :raises UnsafeFile: loading it could run code, and it was not declared trusted.
    :raises BadModel: it cannot be loaded.
    """
    data = path.read_bytes()
    if not trusted:
        _check(data, path)
    try:
        # From memory: what was checked is what is loaded, and torch has no opinion on the file's name.
        return torch.export.load(io.BytesIO(data))
    except Exception as error:  # torch raises whatever the damaged part makes it raise
        raise BadModel(f"cannot be loaded: {first_line(error)}", where=str(path), fix="Save it again") from None


def _check(data: bytes, path: Path) -> None:
    try:
        # Torch's own reader, so that both see the same; it takes no notice of case.
        archive = torch._C.PyTorchFileReader(io.BytesIO(data))
        for name in archive.get_all_records():
            lower = name.lower()
            if lower.startswith("data/aotinductor"):
                raise _unsafe(f"{name} is compiled code", path)
            if lower.startswith(("models/", "data/")) and lower.endswith(".json"):
                _check_json(json.loads(archive.get_record(name).decode()), path)
            elif lower.startswith("data/") and lower.endswith(".pt"):
                _check_pickle(archive.get_record(name), name, path)
    except (ValueError, RecursionError, RuntimeError) as error:
        raise BadModel(f"is damaged: {first_line(error)}", where=str(path), fix="Save it again") from None


def _check_pickle(data: bytes, name: str, path: Path) -> None:
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))
    except Exception:  # what the scanner cannot read, torch would hand to the unrestricted unpickler
        foreign = ["unreadable"]
    if foreign:
        raise _unsafe(f"{name} holds pickled code ({', '.join(sorted(foreign)[:8])})", path)


def _check_json(content: Any, path: Path) -> None:
    for table in _tables(content):
        path_name = table.get("path_name")
        if table.get("use_pickle"):
            raise _unsafe("a weight or constant is pickled", path)
        if isinstance(path_name, str) and path_name.startswith(("custom_obj", "opaque_obj")):
            raise _unsafe(f"it carries a custom object ({path_name})", path)
        if "expr_str" in table and not _harmless(table["expr_str"]):
            raise _unsafe(f"a shape is no plain expression ({str(table['expr_str'])[:60]!r})", path)
        # Only what has inputs is a call; parameters have a target too, which is their name.
        if "inputs" in table and "target" in table and not _OPERATOR.fullmatch(str(table["target"])):
            raise _unsafe(f"it calls {str(table['target'])[:60]!r}, which is no tensor operator", path)


def _tables(content: Any) -> Iterator[dict[str, Any]]:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _harmless(text: Any) -> bool:
    """Whether evaluating ``text`` can do nothing but arithmetic on symbols."""
    if not isinstance(text, str) or len(text) > 10_000:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        if not isinstance(node, _PARTS):
            return False
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS):
            return False
        if isinstance(node, ast.Name) and "__" in node.id:
            return False
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not re.fullmatch(r"\w+", node.value):
            return False
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not isinstance(node.right, ast.Constant):
            return False
    return True


def _unsafe(what: str, path: Path) -> UnsafeFile:
    return UnsafeFile(
        f"{what}: loading it could run code",
        where=str(path),
        fix="Export it again from plain tensor code; if you made the file yourself, --trust-pickle loads it as it is",
    )
