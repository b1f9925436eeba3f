"""``edgeguard inspect``, and ``export --max-drop``, on a network with a layer that int8 ruins."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.artifacts import make_artifact, random_images, random_network
from tests.cli.inprocess import Here
from tests.cli.shell import edgeguard
from tests.export.requests import write_images, write_model
from tests.export.spoilt import runner, spoil
from tests.tflite_artifacts import make_tflite_artifact

LAYERS = ["conv1", "conv2", "dense"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``healthy.edgeguard`` and ``images.npz``, and ``spoilt.onnx`` with labelled ``validation.npz``."""
    path = tmp_path_factory.mktemp("inspect")
    make_artifact(path, name="healthy")
    write_images(path / "images.npz", 40)
    model = spoil(random_network(), "conv2")
    write_model(path / "spoilt.onnx", model)
    fresh = random_images(120, seed=5)
    inputs = (fresh / np.float32(255)).astype(np.float32).transpose(0, 3, 1, 2)
    write_images(path / "validation.npz", 120, seed=5, labels=runner(model)(inputs).argmax(axis=-1))
    return path


@pytest.fixture(scope="module")
def spoilt(folder: Path) -> Path:
    """Exported without regard for what int8 ruins, and without the correction that mends a little of it."""
    arguments = ["export", "spoilt.onnx", "--int8", "--calibration", "images.npz", "--observer", "min-max"]
    arguments += ["--without", "fast-bias"]
    done = edgeguard(*(folder / each if "." in each else each for each in arguments))
    assert done.returncode == 0, done.stderr
    assert "warning: int8 changes at least " in done.stderr
    assert "--max-drop leaves those in float" in done.stderr
    return folder / "spoilt.edgeguard"


def rows(out: str) -> list[list[str]]:
    """The cells of all tables, of rows that begin with a layer."""
    found = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    return [row for row in found if row[0] in LAYERS]


def inspected(here: Here, *arguments: str | Path) -> dict[str, Any]:
    done = here("inspect", *arguments, "--json")
    assert done.code == 0, done.err
    content: dict[str, Any] = json.loads(done.out)
    return content


def test_the_file_alone_says_what_each_layer_computes_in(here: Here, folder: Path) -> None:
    done = here("inspect", folder / "healthy.edgeguard")
    assert (done.code, done.err) == (0, "")
    found = rows(done.out)
    assert [row[0] for row in found] == LAYERS
    assert [row[2] for row in found] == ["int8"] * 3
    assert "--calibration IMAGES" in done.out
    content = inspected(here, folder / "healthy.edgeguard")
    assert [each["facts"]["macs"] for each in content["layers"]] == [13824, 18432, 2560]
    assert [each["seen"] for each in content["layers"]] == [None] * 3
    assert content["images"] == 0


def test_images_say_how_far_each_layer_is_from_float(here: Here, folder: Path) -> None:
    done = here("inspect", folder / "healthy.edgeguard", "--calibration", folder / "images.npz")
    assert done.code == 0, done.err
    assert "3 layers, watched on 40 images of images.npz" in done.out
    content = inspected(here, folder / "healthy.edgeguard", "--calibration", folder / "images.npz")
    for row, each in zip(rows(done.out), content["layers"], strict=True):
        assert f"{each['seen']['sqnr_db']:.1f} dB" in row
        assert each["seen"]["sqnr_db"] > 25
    few = inspected(
        here, folder / "healthy.edgeguard", "--calibration", folder / "images.npz", "--calibration-limit", "8"
    )
    assert few["images"] == 8


def test_a_ruined_layer_is_named_with_the_options_that_keep_it(here: Here, folder: Path, spoilt: Path) -> None:
    """onnxruntime#13863: debugged, then what?"""
    done = here("inspect", spoilt, "--calibration", folder / "images.npz", "--sensitivity")
    assert done.code == 0, done.err
    assert "the first one makes at least half of the error" in done.out
    assert done.out.rstrip().endswith("export with: --keep-float conv2")
    content = inspected(here, spoilt, "--calibration", folder / "images.npz", "--sensitivity")
    assert content["sensitivity"]["keep_float"] == ["conv2"]
    assert content["sensitivity"]["layers"][0]["layer"] == "conv2"
    ruined = {each["facts"]["name"]: each["seen"]["sqnr_db"] for each in content["layers"]}
    assert ruined["conv2"] < 5 < 25 < ruined["conv1"]


def test_the_page_needs_nothing_but_itself(here: Here, folder: Path, spoilt: Path, tmp_path: Path) -> None:
    page = tmp_path / "layers.html"
    arguments = (spoilt, "--calibration", folder / "images.npz", "--sensitivity", "--html", page)
    done = here("inspect", *arguments)
    assert done.code == 0, done.err
    assert f"written: {page}" in done.out
    text = page.read_text("utf-8")
    assert re.findall(r"https?:|url\(|src=|<script|@import|<link", text) == []
    found: dict[str, int] = {}
    open_tags: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found[tag] = found.get(tag, 0) + 1
            if tag not in ("meta", "path"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag != "path":
                assert open_tags.pop() == tag

    Tags().feed(text)
    assert open_tags == []
    # Values and weights of each layer; the ends of the range where there is a grid.
    assert found["svg"] == found["figcaption"] == 6
    assert text.count("stroke-dasharray") == 4
    assert "--keep-float conv2" in text
    here("inspect", *arguments).failed(2, "layers.html", "it exists already", "--force")
    assert here("inspect", *arguments, "--force").code == 0


def test_without_a_lab_there_is_the_table_and_the_way_to_the_rest(here: Here, tmp_path: Path, folder: Path) -> None:
    artifact = make_artifact(tmp_path, with_lab=False)
    done = here("inspect", artifact)
    assert done.code == 0
    assert [row[0] for row in rows(done.out)] == LAYERS
    assert "it takes the lab, which is not beside the artifact" in done.out
    here("inspect", artifact, "--calibration", folder / "images.npz").failed(
        2, "the lab has no float.onnx", "Export again"
    )


def test_a_float_artifact(here: Here, tmp_path: Path, folder: Path) -> None:
    artifact = make_artifact(tmp_path, quantized=False)
    found = inspected(here, artifact, "--calibration", folder / "images.npz")
    assert [each["facts"]["integer"] for each in found["layers"]] == [False] * 3
    assert [each["seen"]["sqnr_db"] for each in found["layers"]] == [None] * 3
    assert found["layers"][0]["seen"]["high"] > 0
    done = here("inspect", artifact, "--calibration", folder / "images.npz", "--sensitivity")
    assert done.code == 2
    assert "nothing in it is int8" in done.err


def test_a_network_that_came_quantized_has_no_float_one_beside_it(here: Here, spoilt: Path, tmp_path: Path) -> None:
    model = shutil.copy(spoilt.with_name("spoilt.lab") / "int8.onnx", tmp_path / "theirs.onnx")
    assert here("defend", model, "--defense", "label").code == 0
    found = here("inspect", tmp_path / "theirs.edgeguard")
    assert found.code == 0, found.err
    assert [row[2] for row in rows(found.out)] == ["int8"] * 3
    assert "the network came quantized" in found.out
    images = spoilt.with_name("images.npz")
    here("inspect", tmp_path / "theirs.edgeguard", "--calibration", images).failed(2, "came quantized", "with --int8")


def test_tflite_has_the_table_and_names_its_twin_for_the_rest(here: Here, tmp_path: Path, folder: Path) -> None:
    artifact = make_tflite_artifact(tmp_path)
    found = inspected(here, artifact)
    (layer,) = found["layers"]
    assert (layer["facts"]["kind"], layer["facts"]["integer"]) == ("FULLY_CONNECTED", True)
    assert layer["facts"]["grid"]["scale"] == pytest.approx(0.05)
    assert layer["facts"]["macs"] == layer["facts"]["weight_bytes"]
    assert "NAME-onnx.edgeguard" in found["notes"][0]
    done = here("inspect", artifact, "--calibration", folder / "images.npz")
    assert done.code in (2, 3)
    assert "--format onnx,tflite" in done.err


def test_what_cannot_be_asked(here: Here, folder: Path) -> None:
    artifact = folder / "healthy.edgeguard"
    here("inspect", artifact, "--sensitivity").failed(2, "--sensitivity", "Add --calibration IMAGES")
    here("inspect", folder / "none.edgeguard").failed(2, "is not an artifact")
    here("inspect", artifact, "--html", folder / "no" / "page.html").failed(2, "parent directory does not exist")


def test_max_drop_keeps_exactly_the_ruined_layer(folder: Path, spoilt: Path, tmp_path: Path) -> None:
    """The real command line, once."""
    output = tmp_path / "kept.edgeguard"
    arguments: list[str | Path] = ["export", folder / "spoilt.onnx", "--int8", "--max-drop", "3", "-o", output]
    arguments += ["--calibration", folder / "images.npz", "--validation", folder / "validation.npz", "--json"]
    done = edgeguard(*arguments, "--observer", "min-max")
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    assert manifest["quantization"]["kept_float"] == ["conv2"]
    assert manifest["measured"]["accuracy"] >= manifest["measured"]["accuracy_float"] - 0.03
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("keeping ")]
    assert "int8 changes" not in done.stderr
    assert line.startswith("keeping 1 of 3 layers in float (conv2): int8 loses ")
    assert "pp of accuracy on 120 images then, and " in line


def test_a_known_table_serves_whatever_is_kept(here: Here, folder: Path, spoilt: Path, tmp_path: Path) -> None:
    """Nothing is calibrated again for a tweak (onnxruntime#21908)."""
    shutil.copytree(folder / "spoilt.lab", tmp_path / "spoilt.lab")
    shutil.copytree(spoilt, tmp_path / "spoilt.edgeguard")
    arguments = ["--int8", "--keep-float", "conv2", "--observer", "min-max", "--calibration", folder / "images.npz"]
    done = here("export", folder / "spoilt.onnx", *arguments, "--force", "-o", tmp_path / "spoilt.edgeguard")
    assert done.code == 0, done.err
    assert "the calibration table of an earlier export fits: reusing it" in done.err


def test_max_drop_takes_int8_and_real_numbers(here: Here, folder: Path) -> None:
    here("export", folder / "spoilt.onnx", "--max-drop", "0").failed(2, "--max-drop", "means nothing without --int8")
    done = here("export", folder / "spoilt.onnx", "--int8", "--max-drop", "-1")
    assert done.code == 2
