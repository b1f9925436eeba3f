"""``edgeguard.toml`` beside the model: defaults for any option, which the command line overrides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.manifest import Manifest
from tests.cli.inprocess import Here

USUAL = '[export]\nint8 = true\ndefend = true\ncalibration = "images.npz"\npreprocess = "unit"\n'


def configure(folder: Path, text: str) -> None:
    (folder / "edgeguard.toml").write_text(text, "utf-8")


def made(folder: Path) -> Manifest:
    return open_artifact(folder / "model.edgeguard").manifest


def test_options_come_from_the_file(desk: Path, here: Here) -> None:
    configure(desk, USUAL + 'target = "rpi5"\nobserver = "mse"\ncalibration-limit = 20\nhead = "int8"\n')
    done = here("export", "model.onnx")
    assert done.code == 0, done.err
    manifest = made(desk)
    assert manifest.target == "rpi5"
    assert manifest.quantization is not None
    assert manifest.quantization.head == "int8"
    assert manifest.calibration is not None
    assert (manifest.calibration.observer, manifest.calibration.images) == ("mse", 20)
    assert manifest.defense is not None


def test_the_command_line_wins(desk: Path, here: Here) -> None:
    configure(desk, USUAL + 'target = "rpi5"\nobserver = "mse"\nkeep-float = ["conv1"]\n')
    done = here("export", "model.onnx", "--target", "rpi3", "--keep-float", "dense")
    assert done.code == 0, done.err
    manifest = made(desk)
    assert manifest.target == "rpi3"
    assert manifest.calibration is not None
    assert manifest.calibration.observer == "mse"
    assert manifest.quantization is not None
    assert manifest.quantization.kept_float == ("dense",)


@pytest.mark.parametrize("text", ['["beta=1.2", "gamma=0.3"]', "{ beta = 1.2, gamma = 0.3 }"], ids=["list", "table"])
def test_options_that_may_be_given_several_times(desk: Path, here: Here, text: str) -> None:
    configure(desk, f'{USUAL}defense = "dcp"\ndefense-param = {text}\n')
    assert here("export", "model.onnx").code == 0
    record = made(desk).defense
    assert record is not None
    assert (record.parameters["beta"], record.parameters["gamma"]) == (1.2, 0.3)


@pytest.mark.parametrize("text", ['"0.5,0.4,0.3"', "[0.5, 0.4, 0.3]"])
def test_lists_of_numbers(desk: Path, here: Here, text: str) -> None:
    configure(desk, f"{USUAL}mean = {text}\ninput-shape = [3, 16, 16]\n")
    assert here("export", "model.onnx").code == 0
    preprocess = made(desk).preprocess
    assert preprocess is not None
    assert preprocess.mean == (0.5, 0.4, 0.3)


def test_one_value_where_several_may_stand(desk: Path, here: Here) -> None:
    configure(desk, f'{USUAL}keep-float = "conv1"\n')
    assert here("export", "model.onnx").code == 0
    facts = made(desk).quantization
    assert facts is not None
    assert facts.kept_float == ("conv1",)


def test_paths_begin_at_the_file_and_not_at_the_current_directory(
    desk: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(desk, USUAL)
    elsewhere = desk.parent / f"{desk.name}-elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert here("export", f"../{desk.name}/model.onnx").code == 0
    assert made(desk).quantization is not None


def test_it_lies_beside_the_model_not_in_the_current_directory(desk: Path, here: Here) -> None:
    configure(desk, '[export]\ntarget = "rpi9"\n')
    (desk / "nets").mkdir()
    (desk / "model.onnx").rename(desk / "nets" / "model.onnx")
    assert here("export", "nets/model.onnx").code == 0


def test_other_commands_have_their_own_table(desk: Path, here: Here) -> None:
    configure(desk, USUAL + "[verify]\njson = true\n")
    assert here("export", "model.onnx").out.startswith("model.edgeguard\n")
    assert "checks" in json.loads(here("verify", "model.edgeguard").out)


BROKEN: list[tuple[str, int, list[str]]] = [
    ("[export]\nint9 = true\n", 2, ["no option 'int9'", "int8"]),
    ("[exprot]\nint8 = true\n", 2, ["no command 'exprot'", "export"]),
    ("int8 = true\n", 2, ["no command 'int8'"]),
    ("export = true\n", 2, ["export is no table", "[export]"]),
    ("[export]\nint8 = \n", 3, ["cannot be read", "line 2"]),
    ('[export]\nint8 = "yes"\n', 2, ["int8 is 'yes', not true or false"]),
    ("[export]\nint8 = 1\n", 2, ["int8 is 1, not true or false"]),
    ("[export]\nlabels = 5\n", 2, ["labels cannot be 5", "in quotes"]),
    ('[export]\ncalibration = ["a", "b"]\n', 2, ["calibration cannot be ['a', 'b']"]),
    ("[export]\ntarget = true\n", 2, ["target cannot be True"]),
    ("[export]\noutput = { a = 1 }\n", 2, ["output cannot be"]),
    ("[export]\nkeep-float = [[1]]\n", 2, ["keep-float cannot be"]),
    ("[export]\nobserver = 2026-01-01\n", 2, ["observer cannot be"]),
]


@pytest.mark.parametrize(("text", "code", "words"), BROKEN, ids=[text for text, _, _ in BROKEN])
def test_what_is_wrong_in_it_is_named(desk: Path, here: Here, text: str, code: int, words: list[str]) -> None:
    configure(desk, text)
    here("export", "model.onnx").failed(code, "edgeguard.toml", *words)
    assert not list(desk.glob("*.edgeguard"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('target = "rpi9"', ["--target", "rpi9"]),
        ('calibration-limit = "many"', ["--calibration-limit", "many"]),
        ("calibration-limit = 0", ["--calibration-limit"]),
        ('mean = "grey"', ["--mean", "'grey' is no list"]),
        ("defense-param = ['beta']", ["--defense-param", "NAME=VALUE"]),
    ],
)
def test_values_are_checked_as_on_the_command_line(desk: Path, here: Here, text: str, words: list[str]) -> None:
    configure(desk, f"[export]\n{text}\n")
    here("export", "model.onnx").failed(2, *words)


def test_bytes_that_are_no_text(desk: Path, here: Here) -> None:
    (desk / "edgeguard.toml").write_bytes(b"\xff\xfe")
    here("export", "model.onnx").failed(3, "edgeguard.toml", "cannot be read")


def test_contradictions_are_found_there_too(desk: Path, here: Here) -> None:
    configure(desk, '[export]\nhead = "int8"\n')
    here("export", "model.onnx").failed(2, "--head int8", "means nothing without --int8")


def test_every_option_of_export_may_stand_there(desk: Path, here: Here) -> None:
    """Nothing is refused for its name, so the file can hold whatever a user settles on."""
    from edgeguard.cli.export import export

    values: dict[str, Any] = {"--output": "a.edgeguard", "--calibration": "images.npz"}
    names = [option for parameter in export.params for option in parameter.opts if option.startswith("--")]
    assert len(names) > 20
    for name in names:
        configure(desk, f"[export]\n{name[2:]} = {json.dumps(values.get(name, 'x'))}\n")
        assert "has no option" not in here("export", "nowhere.onnx").err


@pytest.mark.parametrize("line", ["trust-pickle = true", 'arch = "evil:network"'])
def test_a_file_beside_the_model_cannot_have_code_run(desk: Path, here: Here, line: str) -> None:
    """Whoever sends a model can send an edgeguard.toml and a module with it."""
    (desk / "evil.py").write_text("import pathlib\npathlib.Path('canary').touch()\n")
    configure(desk, f"{USUAL}{line}\n")
    here("export", "model.onnx").failed(2, "edgeguard.toml", "runs code", f"--{line.split()[0]}")
    assert not (desk / "canary").exists()
    assert not (desk / "model.edgeguard").exists()
