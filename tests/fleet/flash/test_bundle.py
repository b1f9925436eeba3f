"""The bundle: complete, the same for the same content, and refused early where the device would refuse it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from edgeguard import __version__
from edgeguard.artifact import open_artifact
from edgeguard.errors import RejectedInput, Untrusted
from edgeguard.fleet.flash.bundle import make_bundle
from edgeguard.fleet.wheels import Wheels, wheels_in
from tests.artifacts import make_artifact
from tests.fleet.boards import fake_wheels
from tests.tflite_artifacts import make_tflite_artifact


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path, name="cat or dog")


def test_everything_that_the_device_needs_is_in_it(artifact: Path, tmp_path: Path) -> None:
    wheels = wheels_in(fake_wheels(tmp_path / "wheels", "numpy"))
    bundle = make_bundle(open_artifact(artifact), wheels)
    with tarfile.open(fileobj=io.BytesIO(bundle.data)) as tar:
        members = {member.name: tar.extractfile(member) for member in tar}
        files = {name: stream.read() for name, stream in members.items() if stream is not None}
    contents = json.loads(files.pop("contents.json"))
    for folder, part in (("artifact", contents["artifact"]), ("wheels", contents["wheels"])):
        found = {name.partition("/")[2]: data for name, data in files.items() if name.startswith(f"{folder}/")}
        facts = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in found.items()}
        assert part["files"] == facts
    assert set(contents["artifact"]["files"]) == {"manifest.json", "model.onnx", "golden.npz"}
    assert len(contents["wheels"]["files"]) == 3
    assert {"remote/store.py", "remote/environment.py"} <= set(files)
    assert bundle.name == contents["artifact"]["name"] == "cat or dog"
    assert bundle.version == contents["artifact"]["version"]
    assert contents["wheels"]["requirements"] == ["pip", f"edgeguard=={__version__}"]
    assert bundle.path == f"edgeguard/bundle-{hashlib.sha256(bundle.data).hexdigest()[:16]}.tar"


def test_equal_content_gives_equal_bytes(artifact: Path, tmp_path: Path) -> None:
    one = make_bundle(open_artifact(artifact), wheels_in(fake_wheels(tmp_path / "wheels")))
    for path in artifact.iterdir():
        path.touch()
    again = make_bundle(open_artifact(artifact), wheels_in(fake_wheels(tmp_path / "again")))
    assert again == one
    assert make_bundle(open_artifact(artifact), wheels_in(fake_wheels(tmp_path / "other", "numpy"))) != one


def test_an_artifact_that_changes_meanwhile_is_refused(artifact: Path, tmp_path: Path) -> None:
    opened = open_artifact(artifact)
    (artifact / "model.onnx").write_bytes(b"other")
    with pytest.raises(Untrusted, match="changed while it was read"):
        make_bundle(opened, wheels_in(fake_wheels(tmp_path / "wheels")))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("numpy-2.1-cp313-cp313-manylinux_2_28_x86_64.whl", "for other machines"),
        ("numpy-2.1-cp313-cp313-linux_armv7l.whl", "for other machines"),
        ("numpy.whl", "is no wheel"),
        ("numpy-2.1-py3-none-any\n.whl", "is no wheel"),
    ],
)
def test_wheels_that_pip_would_refuse_there_are_refused_here(
    artifact: Path, tmp_path: Path, name: str, words: str
) -> None:
    wheels = fake_wheels(tmp_path / "wheels")
    (wheels / name).touch()
    with pytest.raises(RejectedInput, match=words):
        make_bundle(open_artifact(artifact), wheels_in(wheels))


@pytest.mark.parametrize(
    "name",
    [
        "numpy-2.1-cp313-cp313-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
        "psutil-7.2.2-cp36-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
        "x-1+local-2-py2.py3-none-any.whl",
    ],
)
def test_wheels_for_the_pi_are_taken(artifact: Path, tmp_path: Path, name: str) -> None:
    wheels = fake_wheels(tmp_path / "wheels")
    (wheels / name).touch()
    assert name.encode() in make_bundle(open_artifact(artifact), wheels_in(wheels)).data


def test_wheels_of_another_edgeguard_are_refused(artifact: Path, tmp_path: Path) -> None:
    wheels = fake_wheels(tmp_path / "wheels")
    own = next(wheels.glob("edgeguard-*"))
    own.rename(wheels / "edgeguard-0.0.1-py3-none-any.whl")
    with pytest.raises(RejectedInput, match=f"edgeguard {__version__}, which this is, is not among the wheels"):
        make_bundle(open_artifact(artifact), Wheels(tuple(sorted(wheels.iterdir())), complete=True))


def test_a_tflite_artifact_comes_with_its_engine_or_not_at_all(tmp_path: Path) -> None:
    opened = open_artifact(make_tflite_artifact(tmp_path))
    wheels = fake_wheels(tmp_path / "wheels")
    with pytest.raises(RejectedInput, match=r"ai_edge_litert.*is not among the wheels.*edgeguard\[litert\]"):
        make_bundle(opened, wheels_in(wheels))
    (wheels / "ai_edge_litert-2.3.0-cp313-cp313-manylinux_2_27_aarch64.whl").touch()
    with tarfile.open(fileobj=io.BytesIO(make_bundle(opened, wheels_in(wheels)).data)) as tar:
        stream = tar.extractfile("contents.json")
        assert stream is not None
        contents = json.load(stream)
    assert contents["wheels"]["requirements"] == ["pip", f"edgeguard[litert]=={__version__}"]
    assert contents["wheels"]["digest"] == wheels_in(wheels, extras=("litert",)).digest
