"""Loading artifacts and answering: only answers come out, and only of what the manifest describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from edgeguard.artifact import open_artifact
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import BadData, BadModel, EdgeguardError, Untrusted, UsageError
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes import Runtime, load
from edgeguard.runtimes.ort_session import open_session, run_session
from tests.artifacts import SIZE, make_artifact, random_images, repack

IMAGES = random_images(40, seed=77)
INPUTS = Preprocess((SIZE, SIZE))(IMAGES)

KINDS: list[dict[str, Any]] = [
    {"placement": placement, "head": head, "quantized": quantized, "batch": batch}
    for placement in ("graph", "host")
    for head, quantized in (("float", True), ("int8", True), ("float", False))
    for batch in (None, 3)
]


def undefended(artifact: Path) -> np.ndarray:
    """Posteriors of the network without its defense, from the lab."""
    opened = open_artifact(artifact)
    name = "float.onnx" if opened.manifest.quantization is None else "int8.onnx"
    return run_session(open_session(opened.lab_file(name)), INPUTS, opened.manifest.model.batch)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(str(value) for value in kind.values()))
def test_answers_are_the_defense_of_the_posterior_wherever_it_runs(tmp_path: Path, kind: dict[str, Any]) -> None:
    defense = Defense(Dcp(beta=1.2))
    artifact = make_artifact(tmp_path, defense=defense, **kind)
    plain = undefended(artifact)
    answers = load(artifact).answer(INPUTS)
    assert answers.dtype == np.float32
    assert answers.shape == (40, 10)
    np.testing.assert_allclose(answers, defense.answer(NumpyOps(), Head("posterior", 10), plain), atol=2e-6)
    # the defense does something here, so that the line above says something
    assert np.abs(answers - plain).sum(axis=-1).min() > 0.05


def test_without_a_defense_the_posterior_is_the_answer(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path, defense=None)
    np.testing.assert_array_equal(load(artifact).answer(INPUTS), undefended(artifact))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="module")
def runtime(artifact: Path) -> Runtime:
    return load(str(artifact))


def test_images_of_any_size_go_through_the_manifests_preprocessing(runtime: Runtime) -> None:
    np.testing.assert_array_equal(runtime.predict(IMAGES), runtime.answer(INPUTS))
    mixed = [np.zeros((7, 90, 3), np.uint8), np.full((SIZE, SIZE), 200, np.uint8), IMAGES[0]]
    preprocess = runtime.manifest.preprocess
    assert preprocess is not None
    np.testing.assert_array_equal(runtime.predict(mixed), runtime.answer(preprocess(mixed)))


def test_many_images_are_answered_as_each_alone(runtime: Runtime) -> None:
    many = random_images(70, seed=5)
    alone = np.concatenate([runtime.predict([image]) for image in many])
    np.testing.assert_allclose(runtime.predict(many), alone, atol=1e-6)


def test_no_image_gives_no_answer(runtime: Runtime) -> None:
    assert runtime.predict([]).shape == (0, 10)
    assert runtime.answer(INPUTS[:0]).shape == (0, 10)


def test_facts_say_what_answered_and_how(artifact: Path) -> None:
    expected = {"engine": "onnxruntime", "version": onnxruntime.__version__, "provider": "CPUExecutionProvider"}
    assert load(artifact).facts == {**expected, "threads": "1", "spinning": "off"}
    assert load(artifact, threads=2, spinning=True).facts == {**expected, "threads": "2", "spinning": "on"}


@pytest.mark.parametrize(("threads", "spinning", "entry"), [(1, False, "0"), (2, True, "1")])
def test_threads_and_spinning_reach_the_engine(artifact: Path, threads: int, spinning: bool, entry: str) -> None:
    options = load(artifact, threads=threads, spinning=spinning)._session.get_session_options()  # type: ignore[attr-defined]
    assert options.intra_op_num_threads == threads
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == entry


@pytest.mark.parametrize("threads", [0, -1])
def test_a_runtime_has_threads(artifact: Path, threads: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        load(artifact, threads=threads)


@pytest.mark.parametrize(
    "inputs",
    [
        INPUTS.astype(np.float64),
        IMAGES,
        INPUTS[0],
        INPUTS[:, :, :8],
        INPUTS[:, :2],
        INPUTS[None],
        np.float32(0.0),
    ],
)
def test_other_inputs_than_the_models_are_refused(runtime: Runtime, inputs: Any) -> None:
    with pytest.raises(BadData, match=r"the model takes float32 \[batch, 3, 16, 16\]"):
        runtime.answer(inputs)


@pytest.mark.parametrize("image", [IMAGES[0], IMAGES[0][:, :, 0], IMAGES[0][0, 0]])
def test_one_image_instead_of_a_list_is_refused(runtime: Runtime, image: np.ndarray) -> None:
    with pytest.raises(BadData, match=r"Pass \[image\]"):
        runtime.predict(image)


def test_inputs_that_are_not_finite_are_blamed_for_answers_that_are_not(tmp_path: Path) -> None:
    runtime = load(make_artifact(tmp_path, quantized=False))
    broken = INPUTS.copy()
    broken[1] = np.inf
    with pytest.raises(BadData, match="inputs hold NaN or infinity"):
        runtime.answer(broken)


def test_a_network_whose_input_is_no_image_takes_no_images(tmp_path: Path) -> None:
    runtime = load(make_artifact(tmp_path, images=False))
    with pytest.raises(BadData, match="input is no image"):
        runtime.predict(IMAGES)
    assert runtime.answer(INPUTS).shape == (40, 10)


@pytest.mark.parametrize("head", ["float", "int8"])
def test_raw_logits_cannot_be_reached_with_host_placement(tmp_path: Path, head: Any) -> None:
    runtime = load(make_artifact(tmp_path, placement="host", head=head))
    assert runtime.manifest.model.head.kind == "logits"
    public = {name for name in dir(runtime) if not name.startswith("_")}
    assert public == {"answer", "facts", "manifest", "predict"}
    assert (np.abs(runtime.answer(INPUTS).sum(axis=-1) - 1) < 1e-5).all()


def expose_logits(model: ModelProto) -> None:
    """What a defended graph must not do: return the defense's input as a second output."""
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10]))


def expose_first(model: ModelProto) -> None:
    expose_logits(model)
    outputs = list(model.graph.output)[::-1]
    del model.graph.output[:]
    model.graph.output.extend(outputs)


def return_logits_only(model: ModelProto) -> None:
    del model.graph.output[:]
    expose_logits(model)


@pytest.mark.parametrize("change", [expose_logits, expose_first, return_logits_only])
def test_a_defended_graph_that_exposes_its_logits_is_refused(
    tmp_path: Path, change: Callable[[ModelProto], None]
) -> None:
    artifact = repack(make_artifact(tmp_path), model=change)
    with pytest.raises(BadModel, match="a defended graph still exposes logits") as raised:
        load(artifact)
    assert raised.value.exit_code == 3
    assert raised.value.where == str(artifact / "model.onnx")


def test_a_manifest_cannot_declare_logits_to_be_answers_of_a_defended_graph(tmp_path: Path) -> None:
    artifact = repack(make_artifact(tmp_path), manifest=lambda content: content["model"]["head"].update(kind="logits"))
    with pytest.raises(BadModel, match="a defended graph still exposes float32 logits"):
        load(artifact)


def rename_input(model: ModelProto) -> None:
    model.graph.input[0].name = "renamed"
    for node in model.graph.node:
        node.input[:] = ["renamed" if name == "image" else name for name in node.input]


def second_input(model: ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def other_classes(content: dict[str, Any]) -> None:
    content["model"]["head"]["classes"] = 9


def other_size(content: dict[str, Any]) -> None:
    content["model"]["input_shape"] = [3, SIZE, SIZE + 1]
    content["preprocess"]["size"] = [SIZE, SIZE + 1]


def fixed_batch(content: dict[str, Any]) -> None:
    content["model"]["batch"] = 4


@pytest.mark.parametrize(
    ("model", "manifest", "says"),
    [
        (rename_input, None, "inputs are 'renamed', the manifest says 'image'"),
        (second_input, None, "inputs are 'image', 'more'"),
        (None, other_classes, r"'probabilities' is tensor\(float\) \['batch', 10\], the manifest says float32"),
        (None, other_size, r"'image' is tensor\(float\) \['batch', 3, 16, 16\], the manifest says"),
        (None, fixed_batch, r"the manifest says float32 \[4, 3, 16, 16\]"),
        (None, lambda content: content["preprocess"].update(size=[8, 8]), "prepares images as"),
        (None, lambda content: content.update(labels=["a", "b"]), "2 labels for 10 classes"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_is_refused(
    tmp_path: Path, model: Any, manifest: Any, says: str
) -> None:
    artifact = repack(make_artifact(tmp_path), model=model, manifest=manifest)
    with pytest.raises(BadModel, match=says):
        load(artifact)


def test_host_placement_with_another_integer_type_than_the_file_has_is_refused(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path, placement="host", head="int8")
    assert open_artifact(artifact).manifest.model.head.dtype == "uint8"
    repack(artifact, manifest=lambda content: content["model"]["head"].update(dtype="int8", zero_point=0))
    with pytest.raises(BadModel, match="the manifest says int8"):
        load(artifact)


def test_an_input_whose_sides_the_graph_leaves_open_is_accepted(tmp_path: Path) -> None:
    def leave_open(model: ModelProto) -> None:
        for axis, name in ((2, "height"), (3, "width")):
            dimension = model.graph.input[0].type.tensor_type.shape.dim[axis]
            dimension.Clear()
            dimension.dim_param = name

    artifact = make_artifact(tmp_path)
    expected = load(artifact).answer(INPUTS)
    np.testing.assert_array_equal(load(repack(artifact, model=leave_open)).answer(INPUTS), expected)


def unknown_defense(content: dict[str, Any]) -> None:
    content["defense"].update(name="magic")


def newer_defense(content: dict[str, Any]) -> None:
    content["defense"].update(version=99)


@pytest.mark.parametrize(
    ("placement", "change", "error", "says"),
    [
        ("graph", lambda content: content.update(min_onnxruntime="99.1"), UsageError, "needs onnxruntime 99.1"),
        ("host", unknown_defense, UsageError, "no defense 'magic'"),
        ("host", newer_defense, UsageError, "version 99 of dcp"),
    ],
)
def test_what_this_edgeguard_cannot_run_is_said(
    tmp_path: Path, placement: Any, change: Any, error: type[EdgeguardError], says: str
) -> None:
    artifact = repack(make_artifact(tmp_path, placement=placement), manifest=change)
    with pytest.raises(error, match=says):
        load(artifact)


def test_a_graph_carries_its_defense_whether_or_not_this_edgeguard_knows_it(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    expected = load(artifact).answer(INPUTS)
    np.testing.assert_array_equal(load(repack(artifact, manifest=unknown_defense)).answer(INPUTS), expected)


def test_a_model_that_onnxruntime_refuses_is_named(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    (artifact / "model.onnx").write_bytes(b"\x08\x09no model at all")
    repack(artifact)
    with pytest.raises(BadModel, match="ONNX Runtime refuses it") as raised:
        load(artifact)
    assert "\n" not in str(raised.value)


def test_loading_verifies_digests(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path)
    (artifact / "golden.npz").write_bytes(b"")
    with pytest.raises(Untrusted):
        load(artifact)


def test_exposing_an_inner_tensor_without_a_type_is_noticed_too(tmp_path: Path) -> None:
    def expose(model: ModelProto) -> None:
        model.graph.output.append(ValueInfoProto(name=model.graph.node[-1].input[0]))

    with pytest.raises(BadModel, match="a defended graph still exposes edgeguard/"):
        load(repack(make_artifact(tmp_path), model=expose))
