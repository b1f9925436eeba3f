"""Where activation ranges come from: images given, images found, an earlier table, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgeguard.artifact import LAB_TABLE, lab_directory
from edgeguard.calibration.table import CalibrationTable, load_table
from edgeguard.errors import BadData, BadModel
from edgeguard.export.calibrating import choose_set, obtain_table
from edgeguard.export.loading import LoadedModel, load_model
from edgeguard.export.passes.quantize import quantizable_tensors
from edgeguard.export.request import ExportRequest
from tests.artifacts import random_images, random_network
from tests.export.requests import Heard, request_for, unit, write_images, write_model

SHAPE = (3, 16, 16)
Load = Callable[[str], LoadedModel]


def request(folder: Path, **changes: Any) -> ExportRequest:
    return request_for(write_model(folder / "model.onnx"), folder / "model.edgeguard", **changes)


def table(asked: ExportRequest, *, model: Any = None) -> tuple[CalibrationTable, bool]:
    """The table for a request, and whether an earlier one served; kept in the lab as an export keeps it."""
    loaded = load_model(asked.load)
    heard = Heard()
    data = choose_set(asked, loaded, unit(SHAPE), heard)
    network = loaded.model if model is None else model
    found = obtain_table(asked, network, quantizable_tensors(network), data, None, heard)
    lab = lab_directory(asked.output)
    lab.mkdir(exist_ok=True)
    (lab / LAB_TABLE).write_bytes(found.to_bytes())
    return found, any("reusing" in step for step in heard.steps)


def test_the_last_exports_table_serves_again(tmp_path: Path) -> None:
    asked = request(tmp_path, data=write_images(tmp_path / "a.npz", 24))
    first, reused = table(asked)
    assert not reused
    again, reused = table(asked)
    assert reused
    assert again == first
    assert load_table(tmp_path / "model.lab" / LAB_TABLE) == first


def other_images(folder: Path, asked: ExportRequest) -> ExportRequest:
    write_images(folder / "a.npz", 24, seed=9)
    return asked


def fewer_images(folder: Path, asked: ExportRequest) -> ExportRequest:
    return replace(asked, calibration=replace(asked.calibration, limit=12))


def another_observer(folder: Path, asked: ExportRequest) -> ExportRequest:
    return replace(asked, calibration=replace(asked.calibration, observer="mse"))


def other_weights(folder: Path, asked: ExportRequest) -> ExportRequest:
    write_model(folder / "model.onnx", random_network(seed=1))
    return asked


def damaged_table(folder: Path, asked: ExportRequest) -> ExportRequest:
    path = folder / "model.lab" / LAB_TABLE
    path.write_bytes(path.read_bytes()[:-20])
    return asked


@pytest.mark.parametrize("change", [other_images, fewer_images, another_observer, other_weights, damaged_table])
def test_it_does_not_serve_when_anything_differs(
    tmp_path: Path, change: Callable[[Path, ExportRequest], ExportRequest]
) -> None:
    asked = request(tmp_path, data=write_images(tmp_path / "a.npz", 24))
    first, _ = table(asked)
    second, reused = table(change(tmp_path, asked))
    assert not reused
    assert (second == first) == (change is damaged_table)


def test_one_pixel_is_another_set(tmp_path: Path) -> None:
    asked = request(tmp_path, data=write_images(tmp_path / "a.npz", 24))
    first, _ = table(asked)
    pictures = random_images(24)
    pictures[23, 15, 15, 2] ^= 1
    np.savez(tmp_path / "a.npz", x=pictures)
    second, reused = table(asked)
    assert not reused
    assert first.key.data != second.key.data


def test_where_the_set_lies_and_what_it_is_called_do_not_matter(tmp_path: Path) -> None:
    asked = request(tmp_path, data=write_images(tmp_path / "a.npz", 24))
    table(asked)
    (tmp_path / "folder").mkdir()
    for index, picture in enumerate(random_images(24)):
        Image.fromarray(picture).save(tmp_path / "folder" / f"{index:02}.png")
    assert table(replace(asked, calibration=replace(asked.calibration, data=tmp_path / "folder")))[1]


def test_a_sidecar_beside_the_model_is_used_and_mentioned(tmp_path: Path) -> None:
    asked = request(tmp_path)
    write_images(tmp_path / "calibration.npz", 5)
    heard = Heard()
    data = choose_set(asked, load_model(asked.load), unit(SHAPE), heard)
    assert (len(data), data.synthetic) == (5, False)
    assert heard.steps == ["calibrating on calibration.npz, found beside the model"]


def test_the_sidecar_may_be_a_folder_and_the_file_comes_first(tmp_path: Path) -> None:
    asked = request(tmp_path)
    (tmp_path / "calibration").mkdir()
    for index, picture in enumerate(random_images(3)):
        Image.fromarray(picture).save(tmp_path / "calibration" / f"{index}.png")
    loaded = load_model(asked.load)
    assert len(choose_set(asked, loaded, unit(SHAPE), Heard())) == 3
    write_images(tmp_path / "calibration.npz", 5)
    assert len(choose_set(asked, loaded, unit(SHAPE), Heard())) == 5


def test_what_was_asked_for_comes_before_the_sidecar(tmp_path: Path) -> None:
    asked = request(tmp_path, data=write_images(tmp_path / "mine.npz", 7))
    write_images(tmp_path / "calibration.npz", 5)
    heard = Heard()
    assert len(choose_set(asked, load_model(asked.load), unit(SHAPE), heard)) == 7
    assert heard.steps == []


def test_an_unusable_sidecar_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    asked = request(tmp_path)
    (tmp_path / "calibration").mkdir()
    with pytest.raises(BadData, match="holds no images"):
        choose_set(asked, load_model(asked.load), unit(SHAPE), Heard())


def test_an_onnx_file_without_images(tmp_path: Path) -> None:
    asked = request(tmp_path)
    with pytest.raises(BadModel, match=r"none can be made from an ONNX file.*--calibration FOLDER_OR_NPZ"):
        choose_set(asked, load_model(asked.load), unit(SHAPE), Heard())


def test_without_any_image_a_torch_network_gets_synthetic_ones_and_a_warning(tmp_path: Path, loaded: Load) -> None:
    asked = request(tmp_path, synthetic_seconds=0.5)
    heard = Heard()
    data = choose_set(asked, loaded("script.pt"), unit(SHAPE), heard)
    assert data.synthetic
    assert len(data) == 64
    assert [warning for warning in heard.warnings if "SYNTHETIC" in warning and "--calibration FOLDER" in warning]
    assert heard.ticks


def test_the_table_covers_the_logits_even_where_they_stay_float(tmp_path: Path) -> None:
    asked = request(tmp_path, data=write_images(tmp_path / "a.npz", 8))
    found, _ = table(asked)
    assert set(found.ranges) == set(quantizable_tensors(random_network()))
    assert "logits" in found.ranges
    assert found.images == 8
    assert found.halves is not None
