"""``edgeguard run`` through the real command line, hostile images included (row 21)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeguard.images import decode_image
from edgeguard.runtimes import load
from tests.artifacts import make_artifact, random_images, repack
from tests.cli.shell import assert_clean_failure, edgeguard

LABELS = tuple(f"kind {letter}" for letter in "ABCDEFGHIJ")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("run"), labels=LABELS)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(random_images(1, seed=8, size=32)[0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_it_prints_the_likeliest_classes_as_the_runtime_answers(artifact: Path, photo: Path) -> None:
    answer = load(artifact).predict([decode_image(photo)])[0]
    done = edgeguard("run", artifact, photo)
    assert done.returncode == 0, done.stderr
    order = np.argsort(-answer)[:5]
    expected = [str(photo), *(f"  {answer[index]:7.2%}  {LABELS[index]}" for index in order)]
    assert done.stdout.splitlines() == expected
    assert done.stderr == ""


def test_json_holds_every_image_in_order(artifact: Path, photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (3, 3), "white").save(tmp_path / "white.png")
    done = edgeguard("run", artifact, photo, tmp_path / "white.png", "--json", "--top", "2")
    results = json.loads(done.stdout)
    assert [result["image"] for result in results] == [str(photo), str(tmp_path / "white.png")]
    for result in results:
        answer = load(artifact).predict([decode_image(Path(result["image"]))])[0]
        first, second = result["answer"]
        assert first["class"] == int(answer.argmax())
        assert first["label"] == LABELS[first["class"]]
        assert first["probability"] == pytest.approx(float(answer.max()))
        assert second["probability"] == pytest.approx(float(np.sort(answer)[-2]))


def test_host_placement_answers_defended_too(tmp_path: Path, photo: Path) -> None:
    results = []
    for placement in ("graph", "host"):
        artifact = make_artifact(tmp_path, name=placement, placement=placement)  # type: ignore[arg-type]
        results.append(json.loads(edgeguard("run", artifact, photo, "--json", "--top", "10").stdout)[0]["answer"])
    graph, host = results
    assert [entry["class"] for entry in graph] == [entry["class"] for entry in host]
    assert [entry["probability"] for entry in graph] == pytest.approx(
        [entry["probability"] for entry in host], abs=1e-5
    )


def test_classes_without_names_have_numbers_and_top_stops_at_their_number(tmp_path: Path, photo: Path) -> None:
    artifact = make_artifact(tmp_path, classes=3)
    lines = edgeguard("run", artifact, photo, "--top", "50").stdout.splitlines()
    assert len(lines) == 4
    assert sorted(line.split("%")[1].strip() for line in lines[1:]) == ["class 0", "class 1", "class 2"]


def test_labels_cannot_steer_the_terminal(tmp_path: Path, photo: Path) -> None:
    artifact = make_artifact(tmp_path, labels=("\x07\x1b]0;title\u202e evil",) * 10)
    done = edgeguard("run", artifact, photo)
    assert not {"\x07", "\x1b", "\u202e"} & set(done.stdout)
    assert "evil" in done.stdout


def exif_rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(random_images(1, seed=3, size=32)[0]).save(path, exif=exif)


# What real cameras, scanners and web sites produce: each must be answered.
UNUSUAL = {
    "cmyk.jpg": lambda path: Image.fromarray(random_images(1, size=32)[0]).convert("CMYK").save(path),
    "sixteen-bit.png": lambda path: Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 64).save(path),
    "one-pixel.png": lambda path: Image.new("RGB", (1, 1), "red").save(path),
    "animated.gif": lambda path: Image.new("RGB", (9, 9), "red").save(
        path, save_all=True, append_images=[Image.new("RGB", (9, 9), "blue")]
    ),
    "rotated.jpg": exif_rotated,
    "palette.png": lambda path: Image.fromarray(random_images(1, size=32)[0]).convert("P").save(path, transparency=0),
    "grey.jpg": lambda path: Image.new("L", (20, 30), 99).save(path),
    "transparent.webp": lambda path: Image.new("RGBA", (20, 30), (1, 2, 3, 4)).save(path),
    "strip.png": lambda path: Image.new("RGB", (20_000, 1), "green").save(path),
}


def test_unusual_images_are_answered(artifact: Path, tmp_path: Path) -> None:
    for name, make in UNUSUAL.items():
        make(tmp_path / name)
    done = edgeguard("run", artifact, *(tmp_path / name for name in UNUSUAL), "--json", "--top", "10")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    results = json.loads(done.stdout)
    assert len(results) == len(UNUSUAL)
    for result in results:
        assert sum(entry["probability"] for entry in result["answer"]) == pytest.approx(1, abs=1e-4)


def test_an_exif_orientation_changes_the_answer_as_turning_the_pixels_does(artifact: Path, tmp_path: Path) -> None:
    pixels = random_images(1, seed=3, size=32)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "tagged.png", exif=exif)
    Image.fromarray(np.rot90(pixels, -1)).save(tmp_path / "turned.png")
    Image.fromarray(pixels).save(tmp_path / "lying.png")
    names = [tmp_path / f"{name}.png" for name in ("tagged", "turned", "lying")]
    tagged, turned, lying = (
        result["answer"] for result in json.loads(edgeguard("run", artifact, *names, "--json").stdout)
    )
    assert tagged == turned
    assert tagged != lying


def truncated(path: Path) -> None:
    Image.fromarray(random_images(1, size=64)[0]).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-800])


BAD = {
    "truncated.jpg": truncated,
    "float.tif": lambda path: Image.fromarray(np.ones((4, 4), np.float32)).save(path),
    "text.png": lambda path: path.write_text("not an image"),
    "empty.jpg": lambda path: path.write_bytes(b""),
    "bomb.png": lambda path: Image.new("1", (10_000, 10_000)).save(path),
    "missing.jpg": lambda _: None,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_exits_3_naming_the_file_and_prints_nothing(
    artifact: Path, photo: Path, tmp_path: Path, name: str
) -> None:
    BAD[name](tmp_path / name)
    done = edgeguard("run", artifact, photo, tmp_path / name)
    assert_clean_failure(done, 3, str(tmp_path / name))
    assert done.stdout == ""


def test_a_folder_is_refused_with_what_to_do(artifact: Path, tmp_path: Path) -> None:
    assert_clean_failure(edgeguard("run", artifact, tmp_path), 2, str(tmp_path), "run takes image files", "*.jpg")


def test_no_image_at_all_is_a_usage_error(artifact: Path) -> None:
    done = edgeguard("run", artifact)
    assert done.returncode == 2
    assert "IMAGES" in done.stderr


def test_a_network_whose_input_is_no_image_exits_3(tmp_path: Path, photo: Path) -> None:
    done = edgeguard("run", make_artifact(tmp_path, images=False), photo)
    assert_clean_failure(done, 3, str(photo), "input is no image")


def test_a_tampered_artifact_answers_nothing(tmp_path: Path, photo: Path) -> None:
    artifact = make_artifact(tmp_path)
    (artifact / "model.onnx").write_bytes(b"")
    done = edgeguard("run", artifact, photo)
    assert_clean_failure(done, 4, "model.onnx")
    assert done.stdout == ""


def test_a_model_that_cannot_run_exits_3(tmp_path: Path, photo: Path) -> None:
    artifact = make_artifact(tmp_path)
    (artifact / "model.onnx").write_bytes(b"\x08\x09nothing")
    assert_clean_failure(edgeguard("run", repack(artifact), photo), 3, "model.onnx", "ONNX Runtime refuses it")
