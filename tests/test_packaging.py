"""What an installation consists of, and what importing it loads."""

from __future__ import annotations

import configparser
import importlib
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from edgeguard import __version__
from edgeguard.calibration.observers import DEFAULT_OBSERVER, OBSERVERS
from edgeguard.cli.main import COMMANDS
from edgeguard.defenses.registry import DEFENSES
from edgeguard.preprocess import PRESETS
from edgeguard.targets import DEFAULT_TARGET, TARGETS
from tests.layers import LAYERS, MAPPED, source_files

ROOT = Path(__file__).resolve().parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
PINS = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def names(requirements: str) -> set[str]:
    """Distribution names of a list of requirements, normalised."""
    found = (re.split(r"[<>=\[;]", line)[0].strip() for line in requirements.strip().splitlines())
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found if name != "edgeguard"}


def modules(highest: int) -> list[str]:
    """Modules of the layers up to ``highest``."""
    found = [module for _, module in source_files(ROOT) if module.rpartition(".")[2] != "__main__"]
    return [module for module in found if LAYERS.get(([*module.split("."), "core"])[1], 1) <= highest]


def loaded_by(code: str, watched: set[str]) -> set[str]:
    """Which of the watched packages a fresh interpreter has loaded after running ``code``."""
    script = f"import sys\n{code}\nprint(*sorted({watched!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/")
    return set(result.stdout.split())


def test_every_package_directory_is_listed() -> None:
    listed = SETUP["options"]["packages"].split()
    present = {module for path, module in source_files(ROOT) if path.name == "__init__.py"}
    assert set(listed) == present
    assert listed == sorted(listed)
    with_code = {module.rpartition(".")[0] for path, module in source_files(ROOT) if path.name != "__init__.py"}
    assert with_code <= present


def test_the_root_folders_are_mapped() -> None:
    mapping = dict(line.split(" = ") for line in SETUP["options"]["package_dir"].strip().splitlines())
    assert mapping == {"edgeguard": "edgeguard"} | {f"edgeguard.{name}": name for name in MAPPED}


def test_schemas_and_the_typing_marker_travel() -> None:
    assert (ROOT / "edgeguard" / "py.typed").exists()
    assert list((ROOT / "edgeguard" / "schemas").glob("*.json"))
    patterns = SETUP["options.package_data"]
    assert patterns["edgeguard"] == "py.typed"
    assert patterns["edgeguard.schemas"] == "*.json"


def test_the_installed_version_is_the_checkout() -> None:
    assert importlib.metadata.version("edgeguard") == __version__


def test_the_script_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="edgeguard")
    assert script.value == "edgeguard.cli.main:main"
    assert callable(script.load())


def test_constraints_are_versions_and_nothing_else() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in PINS)
    assert "torch==2.13.0" in PINS


@pytest.mark.parametrize("extra", ["", "export", "litert", "demo", "test"])
def test_what_the_suite_installs_is_constrained(extra: str) -> None:
    wanted = SETUP["options"]["install_requires"] if not extra else SETUP["options.extras_require"][extra]
    assert names(wanted)
    assert names(wanted) <= names("\n".join(PINS))


def test_importing_edgeguard_and_its_runtimes_is_light() -> None:
    heavy = {"torch", "onnx", "onnxruntime", "ai_edge_litert", "pydantic", "PIL", "rich", "sklearn"}
    assert loaded_by("import edgeguard, edgeguard.runtimes", heavy) == set()
    assert loaded_by("import onnx", heavy) == {"onnx"}


def test_the_layers_of_a_device_load_neither_torch_nor_onnx() -> None:
    found = modules(LAYERS["calibration"])
    assert {"edgeguard.artifact", "edgeguard.runtimes.loading", "edgeguard.calibration.sets"} <= set(found)
    assert loaded_by(f"import {', '.join(found)}", {"torch", "onnx"}) == set()


def test_asking_for_the_version_loads_no_command() -> None:
    code = "from edgeguard.cli.main import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass"
    result = loaded_by(code, {"torch", "onnx", "onnxruntime", "numpy", "pydantic"})
    assert result - {"edgeguard,", "version", __version__} == set()


def test_registries_call_things_by_their_names() -> None:
    for registry in (DEFENSES, OBSERVERS, TARGETS):
        assert [key for key, value in registry.items() if value.name != key] == []  # type: ignore[attr-defined]
        assert registry
    assert DEFAULT_OBSERVER in OBSERVERS
    assert DEFAULT_TARGET in TARGETS
    assert all(re.fullmatch(r"[a-z0-9-]+", key) for key in [*DEFENSES, *OBSERVERS, *TARGETS, *COMMANDS, *PRESETS])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_exists_under_its_name(name: str) -> None:
    module, _, attribute = COMMANDS[name].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
