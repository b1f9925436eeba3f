"""Reading the imports of a source tree, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Folders at the root that install as subpackages of edgeguard.
MAPPED = ("calibration", "export", "runtimes")
# design.md: lower never imports higher; equals (attacks and fleet) do not know each other. What is not named is core.
LAYERS = {"runtimes": 2, "bench": 3, "calibration": 4, "export": 5, "attacks": 6, "fleet": 6, "cli": 7}
_IMPORTERS = frozenset({"import_module", "require", "__import__"})


@dataclass(frozen=True)
class Import:
    """One import, wherever it stands: at the top, inside a function or under TYPE_CHECKING."""

    path: Path
    line: int
    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.importer} imports {self.imported}"


def source_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Every module of the packages, with the name it is imported by."""
    for folder in ("edgeguard", *MAPPED):
        for path in sorted((root / folder).rglob("*.py")):
            parts = list(path.relative_to(root).with_suffix("").parts)
            if folder in MAPPED:
                parts.insert(0, "edgeguard")
            if parts[-1] == "__init__":
                parts.pop()
            yield path, ".".join(parts)


def imports(path: Path, module: str) -> Iterator[Import]:
    """Every import of a file. ``from a import b`` counts as ``a.b``, which may be a module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        for name in _imported(node, package):
            yield Import(path, getattr(node, "lineno", 0), module, name)


def layer_violations(root: Path) -> list[str]:
    """Imports that go up, or sideways between packages of one layer."""
    return [
        str(found)
        for path, module in source_files(root)
        for found in imports(path, module)
        if found.imported.split(".")[0] == "edgeguard" and not _allowed(module, found.imported)
    ]


def bare_imports(files: Iterator[Path]) -> list[str]:
    """Imports of the mapped folders by the names that they only have inside a checkout."""
    return [
        str(found) for path in files for found in imports(path, path.stem) if found.imported.split(".")[0] in MAPPED
    ]


def _imported(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if called in _IMPORTERS and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return []


def _package(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else "core"


def _allowed(importer: str, imported: str) -> bool:
    mine, theirs = _package(importer), _package(imported)
    return mine == theirs or LAYERS.get(mine, 1) > LAYERS.get(theirs, 1)
