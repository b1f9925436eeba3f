"""The script that gathers facts, run as a device would run it: by its own Python, sent over stdin."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeguard import __version__
from edgeguard.fleet.doctor import ask_before_deploy, ask_device, ask_here, diagnose
from edgeguard.fleet.doctor.answer import read_answer
from edgeguard.fleet.doctor.facts import Facts, read_facts
from edgeguard.fleet.local import Local
from edgeguard.fleet.remote_call import call, script_source
from tests.bench.machines import put
from tests.fleet.doctor.devices import pi5

Probe = Callable[..., dict[str, Any]]


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """Calls the script with a request, in a home that ``tmp_path / "home"`` is."""
    home = tmp_path / "home"
    home.mkdir()

    def asked(**request: Any) -> dict[str, Any]:
        return call(Local(home), "probe", {"directory": "edgeguard", "watch_s": 0, **request}, timeout=60)

    return asked


def facts(answer: dict[str, Any]) -> Facts:
    return read_facts(read_answer(answer, "here"))


def imports(answer: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None]]:
    found = answer["interpreter"]["imports"]
    return {entry["name"]: (entry["status"], entry["version"], entry["detail"]) for entry in found}


def line(answer: dict[str, Any], name: str) -> tuple[str, str, str]:
    """Status, detail and remedy of one line of the diagnosis."""
    (found,) = [entry for entry in diagnose(facts(answer), "here").lines if entry.name == name]
    return found.status, found.detail, found.remedy or ""


def old_pythons() -> list[Path]:
    """Pythons older than edgeguard's that this machine has."""
    names = [f"python3.{minor}" for minor in range(6, 11)]
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {name: Path(path) for name in names if (path := shutil.which(name)) is not None and ".pyenv" not in path}
    for name in names:
        for path in sorted(root.glob(f"*/bin/{name}")):
            found.setdefault(name, path)
    return list(found.values())


def environment(path: Path, packages: dict[str, str]) -> Path:
    """A bare environment whose packages are these modules; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    (site,) = path.glob("lib/python*/site-packages")
    put(site, packages)
    return path / "bin" / "python"


def test_what_it_answers_is_what_the_tests_of_the_checks_begin_with(probe: Probe) -> None:
    answer, example = probe(), pi5({})
    assert set(answer) == set(example)
    for name in ("libc", "python", "interpreter", "commands", "place"):
        assert set(answer[name]) == set(example[name])
    assert [set(entry) for entry in answer["interpreter"]["imports"]] == [
        set(entry) for entry in example["interpreter"]["imports"]
    ]


def test_this_machine_has_no_problem(tmp_path: Path) -> None:
    """Whatever host runs the suite can run artifacts; of what nobody can tell there, it must not make a problem."""
    found = diagnose(ask_here(Local(tmp_path), "edgeguard", sys.executable), "here")
    assert [entry for entry in found.problems if entry.name not in ("disk", "memory", "temperature")] == []
    assert {"numpy", "onnxruntime", "edgeguard"} <= {entry.name for entry in found.lines if entry.status == "ok"}


def test_a_python_without_engines_makes_no_problem(tmp_path: Path) -> None:
    bare = environment(tmp_path / "bare", {})
    found = diagnose(ask_here(Local(tmp_path), "edgeguard", str(bare)), "here")
    lines = {entry.name: entry for entry in found.lines}
    assert {lines[name].status for name in ("numpy", "onnxruntime", "edgeguard")} == {"warning"}
    assert f"{bare} -m pip install onnxruntime" in str(lines["onnxruntime"].remedy)
    assert lines["litert"].status == "ok"


def test_imports_are_those_of_the_interpreter_that_was_named(probe: Probe) -> None:
    found = imports(probe(interpreter=sys.executable))
    assert found["edgeguard"] == ("imported", __version__, None)
    assert {found[name][0] for name in ("numpy", "onnxruntime", "ai-edge-litert")} == {"imported"}
    assert found["tflite-runtime"][0] == "missing"
    assert found["ai-edge-litert"][1] is not None


BROKEN = {
    "sigill": ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n", "killed", "SIGILL", "newer CPU"),
    "glibc": (
        'raise ImportError("/lib/libc.so.6: version `GLIBC_2.99\' not found")\n',
        "failed",
        "ImportError: /lib/libc.so.6: version `GLIBC_2.99' not found",
        "C library is too old",
    ),
    "long": (
        'raise RuntimeError("first line\\n\\n  last line\\n")\n',
        "failed",
        "RuntimeError: last line",
        "--force-reinstall",
    ),
    "exits": ("import sys\nsys.exit(0)\n", "failed", "SystemExit: 0", "--force-reinstall"),
    "gone": ("import os\nos._exit(3)\n", "failed", "exit code 3", "--force-reinstall"),
    "lacks": ("import no_such_package\n", "failed", "ModuleNotFoundError: No module named 'no_such_package'", "pip"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_engine_that_cannot_be_imported(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, status, detail, word = BROKEN[name]
    monkeypatch.setenv("PYTHONPATH", str(put(tmp_path / "fake", {"onnxruntime/__init__.py": source})))
    answer = probe(interpreter=sys.executable)
    assert imports(answer)["onnxruntime"] == (status, None, detail)
    assert imports(answer)["numpy"][0] == "imported"
    told = line(answer, "onnxruntime")
    assert told[0] == "problem"
    assert word in " ".join(told)


def test_only_the_packages_that_were_asked_for_are_imported(probe: Probe, tmp_path: Path) -> None:
    assert list(imports(probe(packages=["numpy"]))) == ["numpy"]
    found = ask_before_deploy(Local(tmp_path / "home"), "edgeguard")
    assert (found.answer.interpreter.imports, found.answer.interpreter.failure) == ((), None)


def test_an_import_that_hangs_ends_in_time(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    source = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    monkeypatch.setenv("PYTHONPATH", str(put(tmp_path / "fake", {"onnxruntime/__init__.py": source})))
    start = time.monotonic()
    answer = probe(interpreter=str(environment(tmp_path / "bare", {})), limit_s=2)
    assert time.monotonic() - start < 30
    assert imports(answer)["onnxruntime"] == ("hangs", None, "the time was up")
    assert line(answer, "onnxruntime")[0] == "problem"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_an_engine_may_print(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "__version__ = '9.8.7'\nprint('{\"status\": \"missing\"}', end='')\n"
    monkeypatch.setenv("PYTHONPATH", str(put(tmp_path / "fake", {"onnxruntime/__init__.py": source})))
    assert imports(probe(interpreter=sys.executable))["onnxruntime"] == ("imported", "9.8.7", None)


def test_modules_in_the_working_directory_are_not_looked_at(probe: Probe, tmp_path: Path) -> None:
    put(tmp_path / "home", {"onnxruntime.py": "__version__ = 'planted'\n", "json.py": "raise SystemExit\n"})
    assert imports(probe(interpreter=sys.executable))["onnxruntime"][1] != "planted"


def test_the_environment_that_was_deployed_is_the_one_that_counts(probe: Probe, tmp_path: Path) -> None:
    versions = tmp_path / "home/edgeguard/env/versions"
    files = {"edgeguard/__init__.py": "__version__ = '0.0.1'\n", "torch-2.13.0.dist-info/METADATA": "Name: torch\n"}
    environment(versions / "0123", files)
    (versions.parent / "current").symlink_to("versions/0123")
    answer = probe()
    assert answer["interpreter"]["origin"] == "deployed"
    assert imports(answer)["edgeguard"] == ("imported", "0.0.1", None)
    assert line(answer, "edgeguard")[0] == "warning"
    status, detail, remedy = line(answer, "environment")
    assert (status, "torch" in detail, "uninstall -y torch" in remedy) == ("warning", True, True)


def test_an_environment_whose_python_is_gone(probe: Probe, tmp_path: Path) -> None:
    link = tmp_path / "home/edgeguard/env/current"
    link.parent.mkdir(parents=True)
    link.symlink_to("versions/gone")
    answer = probe()
    assert (answer["interpreter"]["failure"], answer["interpreter"]["imports"]) == ("No such file or directory", [])
    assert line(answer, "environment")[0] == "problem"


def test_files_are_read_below_the_root_and_nothing_else(probe: Probe, tmp_path: Path) -> None:
    root = put(tmp_path / "root", {**pi5({})["files"], "etc/shadow": "secret", "proc/kcore": "x"})
    cut = "processor : 0\n" * 10_000
    (root / "proc/cpuinfo").write_text(cut)
    found = probe(root=str(root))["files"]
    assert found["proc/cpuinfo"] == cut[: 1 << 16]
    assert {**found, "proc/cpuinfo": None} == {**pi5({})["files"], "proc/cpuinfo": None}


def test_the_firmware_is_asked_by_its_command(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = '#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x50005\n'
    put(tmp_path / "bin", {"vcgencmd": script, "timedatectl": "#!/bin/sh\necho no\n"})
    for name in ("vcgencmd", "timedatectl"):
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    answer = probe(root=str(put(tmp_path / "root", {})))
    assert answer["commands"] == {"vcgencmd": "throttled=0x50005\n", "timedatectl": "no\n"}
    assert line(answer, "power")[:2] == ("problem", "under-voltage now (0x50005)")
    assert facts(answer).clock.synchronised is False
    (tmp_path / "bin/vcgencmd").write_text("#!/bin/sh\necho VCHI initialization failed; exit 255\n")
    assert probe()["commands"]["vcgencmd"] is None


def test_where_edgeguard_will_lie_is_measured_where_something_is_there(probe: Probe, tmp_path: Path) -> None:
    disk = shutil.disk_usage(tmp_path)
    for directory in ("edgeguard", "a/b/c"):
        place = probe(directory=directory)["place"]
        assert place["path"] == str(tmp_path / "home")
        assert abs(place["free"] - disk.free) < 1 << 30
        assert (place["total"], place["read_only"], place["writable"]) == (disk.total, False, True)
    (tmp_path / "else").mkdir()
    assert probe(directory=str(tmp_path / "else"))["place"]["path"] == str(tmp_path / "else")


def test_what_is_deployed(probe: Probe, tmp_path: Path) -> None:
    artifacts = tmp_path / "home/edgeguard/artifacts"
    put(artifacts, {"cat/versions/aa/manifest.json": "{}", "dog/versions/bb/model.onnx": ""})
    (artifacts / "cat/current").symlink_to("versions/aa")
    (artifacts / "dog/current").symlink_to("versions/cc")
    (artifacts / "dog/previous").symlink_to("versions/bb")
    answer = probe()
    assert answer["deployed"] == [
        {"name": "cat", "current": "aa", "previous": None, "intact": True},
        {"name": "dog", "current": "cc", "previous": "bb", "intact": False},
    ]
    assert line(answer, "deployed")[0] == "problem"


def test_who_works_is_named(probe: Probe) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            found = probe(watch_s=1)["processes"]
        finally:
            busy.kill()
    (share,) = [entry["cpu"] for entry in found if entry["pid"] == busy.pid]
    assert 0.05 < share < 1.2
    assert len(found) <= 5


def test_the_clock_of_this_machine_agrees_with_itself(tmp_path: Path) -> None:
    assert ask_device(Local(tmp_path), "edgeguard").clock.offset_s == 0


@pytest.mark.parametrize("path", old_pythons(), ids=lambda path: path.name)
def test_an_old_python_reports_that_it_is_old(probe: Probe, tmp_path: Path, path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        answer = probe()
    assert line(answer, "python")[0] == "problem"
    assert imports(answer)["onnxruntime"][0] in ("missing", "imported")


def test_its_syntax_is_that_of_python_3_6() -> None:
    source = script_source("probe").decode()
    tree = ast.parse(source, feature_version=(3, 6))
    # Evaluated where they stand, before Python 3.9 these would fail: `dict[str, Any]`, `int | None`.
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        arguments = [argument.annotation for argument in function.args.args]
        for annotation in [*arguments, function.returns]:
            assert isinstance(annotation, ast.Name | ast.Constant), f"{function.name}, line {function.lineno}"
    with pytest.raises(SyntaxError):
        ast.parse("(a := 1)", feature_version=(3, 6))


def test_it_needs_the_standard_library_only() -> None:
    tree = ast.parse(script_source("probe"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
