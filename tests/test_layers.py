"""The one-way order of the layers, and that its check would notice a violation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.layers import LAYERS, bare_imports, imports, layer_violations, source_files

ROOT = Path(__file__).resolve().parents[1]
LINES = 320


def python_files(root: Path) -> list[Path]:
    folders = ("edgeguard", "calibration", "export", "runtimes", "tests", "device_tests", "benchmarks", "scripts")
    return [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]


def plant(root: Path, file: str, source: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def test_lower_layers_never_import_higher_ones() -> None:
    assert layer_violations(ROOT) == []


def test_the_check_sees_the_whole_tree() -> None:
    modules = {module for _, module in source_files(ROOT)}
    assert {"edgeguard", "edgeguard.errors", "edgeguard.export.pipeline", "edgeguard.runtimes"} <= modules
    crossings = {
        (module.split(".")[1], found.imported.split(".")[1])
        for path, module in source_files(ROOT)
        for found in imports(path, module)
        if module.count(".") > 1 and found.imported.startswith("edgeguard.")
    }
    assert {("export", "calibration"), ("calibration", "runtimes"), ("cli", "errors")} <= crossings


@pytest.mark.parametrize(
    ("file", "source", "imported"),
    [
        ("edgeguard/core.py", "import edgeguard.runtimes\n", "edgeguard.runtimes"),
        ("edgeguard/defenses/new.py", "from edgeguard.export.onnx_ops import OnnxOps\n", "export.onnx_ops.OnnxOps"),
        ("edgeguard/core.py", "from edgeguard import export\n", "edgeguard.export"),
        ("edgeguard/core.py", "from . import cli\n", "edgeguard.cli"),
        ("edgeguard/defenses/new.py", "from ..bench.runner import run\n", "edgeguard.bench.runner.run"),
        ("runtimes/new.py", "def late():\n    from edgeguard.calibration import sets\n", "edgeguard.calibration.sets"),
        ("runtimes/__init__.py", "from ..calibration import sets\n", "edgeguard.calibration.sets"),
        ("runtimes/new.py", "if TYPE_CHECKING:\n    from edgeguard.bench import Result\n", "edgeguard.bench.Result"),
        (
            "edgeguard/bench/new.py",
            "import importlib\nimportlib.import_module('edgeguard.export')\n",
            "edgeguard.export",
        ),
        ("calibration/new.py", "require('edgeguard.attacks', 'attacks')\n", "edgeguard.attacks"),
        ("export/new.py", "from edgeguard.cli.console import Console\n", "edgeguard.cli.console.Console"),
        ("edgeguard/attacks/new.py", "from edgeguard.fleet import deploy\n", "edgeguard.fleet.deploy"),
        ("edgeguard/fleet/new.py", "import edgeguard.attacks\n", "edgeguard.attacks"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, source: str, imported: str) -> None:
    plant(tmp_path, file, source)
    found = layer_violations(tmp_path)
    assert len(found) == 1
    assert found[0].endswith(imported)
    assert file in found[0]


def test_downward_and_foreign_imports_are_fine(tmp_path: Path) -> None:
    for package in LAYERS:
        mapped = package in ("runtimes", "calibration", "export")
        plant(
            tmp_path,
            f"{'' if mapped else 'edgeguard/'}{package}/new.py",
            f"import numpy, torch\nfrom edgeguard.errors import UsageError\nfrom . import other\n"
            f"from edgeguard.{package} import other\n",
        )
    plant(tmp_path, "edgeguard/cli/all.py", "".join(f"import edgeguard.{package}\n" for package in LAYERS))
    assert layer_violations(tmp_path) == []


def test_nobody_imports_the_root_folders_by_their_bare_names() -> None:
    files = python_files(ROOT)
    assert len(files) > 50
    assert bare_imports(iter(files)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import export",
        "from export.head import attach",
        "import runtimes.loading as loading",
        "def late():\n    from calibration import sets",
        "__import__('calibration')",
    ],
)
def test_a_planted_bare_import_is_found(tmp_path: Path, source: str) -> None:
    plant(tmp_path, "edgeguard/new.py", source)
    assert len(bare_imports(iter(python_files(tmp_path)))) == 1


def test_own_names_may_resemble_the_folders(tmp_path: Path) -> None:
    plant(tmp_path, "edgeguard/cli/new.py", "from edgeguard.cli.export import export\nfrom . import calibration\n")
    assert bare_imports(iter(python_files(tmp_path))) == []


def test_files_are_small() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in python_files(ROOT)}
    assert {path: length for path, length in lengths.items() if length > LINES} == {}
