"""The benchmark on a device that is this machine: what goes there, what comes back, what is told when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeguard.bench.device_kind import device_kind
from edgeguard.bench.settings import Settings
from edgeguard.errors import DeviceError, EdgeguardError, Untrusted, UsageError
from edgeguard.fleet.bench import as_options, bench_device
from edgeguard.fleet.local import Local
from tests.fleet.boards import Board, Wrapped

TINY = Settings(effort="quick", processes=2, blocks=4, runs=5)


def measured(board: Board, artifact: Path, settings: Settings = TINY, **more: Any) -> Any:
    hear = more.get("on_line", _deaf)
    return bench_device(
        board.transport, artifact, settings, directory="edgeguard", on_line=hear, beside=more.get("beside")
    )


def _deaf(_: str) -> None:
    return None


def test_it_measures_the_artifact_beside_its_lab_and_leaves_nothing(used: Board, second: Path) -> None:
    said: list[str] = []
    result = measured(used, second, on_line=said.append)
    assert [variant.name for variant in result.variants] == ["float", "int8", "defended", "control", "end-to-end"]
    assert result.artifact.name == second.name
    assert result.device_kind == device_kind().kind
    assert (result.plan.processes, result.plan.blocks, result.plan.runs) == (2, 4, 5)
    assert any("Timing float, int8" in line for line in said)
    assert not list((used.home / "edgeguard/work").iterdir())


def test_another_artifact_of_the_same_name_takes_turns_with_it(used: Board, first: Path, second: Path) -> None:
    assert first.name == second.name
    result = measured(used, first, beside=second)
    assert {"defended", "beside-defended", "beside-int8"} <= {variant.name for variant in result.variants}
    assert result.beside is not None
    assert result.beside.name == "model-beside.edgeguard"
    assert not list((used.home / "edgeguard/work").iterdir())


def test_without_a_lab_here_there_is_none_there(used: Board, second: Path) -> None:
    lab = second.with_name("model.lab")
    for file in lab.iterdir():
        file.unlink()
    lab.rmdir()
    result = measured(used, second)
    assert [variant.name for variant in result.variants] == ["defended", "control", "end-to-end"]
    assert {each.name for each in result.skipped} == {"float", "int8"}


def test_a_lab_of_another_export_is_refused_before_anything_is_sent(used: Board, second: Path) -> None:
    (second.with_name("model.lab") / "int8.onnx").write_bytes(b"other")
    with pytest.raises(Untrusted, match="differs from what the manifest records"):
        measured(used, second)


def test_a_device_without_edgeguard_is_told_to_be_deployed_to(board: Board, first: Path) -> None:
    with pytest.raises(DeviceError, match=r"edgeguard is not installed on it.*edgeguard deploy"):
        measured(board, first)


def test_what_the_device_refuses_is_the_same_error_here(used: Board, first: Path) -> None:
    """This machine is no Pi 5: its power cannot be read."""
    with pytest.raises(UsageError) as caught:
        measured(used, first, replace(TINY, energy=True))
    assert str(caught.value).startswith("on this machine: ")
    assert "Only a Raspberry Pi 5" in str(caught.value)


def test_a_device_that_dies_in_the_middle_is_told(used: Board, first: Path) -> None:
    class Dying(Wrapped):
        def instead(self, command: Sequence[str]) -> Sequence[str]:
            script = (
                "import os, signal, threading; threading.Timer(1, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
            )
            return [*command[:3], script + command[3]]

    with pytest.raises(DeviceError, match="broke off in the middle"):
        measured(used.through(Dying(Local(used.home))), first)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (Settings(), ["--effort", "normal", "--threads", "1", "--seed", "0", "--confidence", "0.95"]),
        (
            Settings(effort="quick", threads=4, processes=3, blocks=5, runs=7, seconds=1.5, sustained_s=90.0),
            ["--effort", "quick", "--threads", "4", "--processes", "3", "--blocks", "5", "--runs", "7", "--seconds",
             "1.5", "--seed", "0", "--confidence", "0.95", "--sustained", "90.000s"],
        ),
        (
            Settings(profile=True, energy=True),
            ["--effort", "normal", "--threads", "1", "--seed", "0", "--confidence", "0.95", "--profile", "--energy"],
        ),
    ],
)  # fmt: skip
def test_settings_become_the_options_of_the_command(settings: Settings, options: list[str]) -> None:
    assert as_options(settings) == options


def test_the_command_reads_these_options_as_the_same_settings(monkeypatch: pytest.MonkeyPatch, first: Path) -> None:
    from edgeguard.bench import measure
    from edgeguard.cli.bench import bench

    heard: list[Settings] = []

    def listen(_: Path, settings: Settings, __: object, ___: object) -> None:
        heard.append(settings)
        raise EdgeguardError("heard")

    monkeypatch.setattr(measure, "measure", listen)
    asked = Settings("thorough", 2, 3, 4, 5, 6.5, 7, 0.9, 61.5, True, True)
    run: Callable[..., Any] = bench.main
    with pytest.raises(EdgeguardError, match="heard"):
        run([str(first), *as_options(asked)], standalone_mode=False)
    assert heard == [asked]
