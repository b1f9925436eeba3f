"""Artifacts for tests: a small random network, really calibrated, quantized and defended, in about a second.

They are put together from the functions that ``edgeguard export`` itself uses, without its loading of model files, so
that tests of everything after the export need neither torch nor a trained network.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeguard.artifact import GOLDEN, MANIFEST, file_facts
from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import find_observer
from edgeguard.calibration.sets import array_set
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.defenses.record import record_of
from edgeguard.export.found_head import LOGITS
from edgeguard.export.golden import choose_goldens
from edgeguard.export.head import attach, cut_to_logits, expose_integer_logits, find_head
from edgeguard.export.packing import Package, publish
from edgeguard.export.passes.quantize import Quantize, probe, quantizable_tensors
from edgeguard.manifest import CalibrationFacts, Manifest, ModelFacts, QuantizationFacts, SourceFacts, oldest_reader
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.targets import Target, find_target

__all__ = ["SIZE", "make_artifact", "random_images", "random_network", "repack"]

Array = np.ndarray[Any, Any]

SIZE = 16
_TARGET = find_target("arm64")
_DEFAULT = Defense(Dcp())


def random_images(count: int, *, seed: int = 0, size: int = SIZE) -> Array:
    """Smooth random pictures, uint8 ``[count, size, size, 3]``: coarse blocks of colour and a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 4, 4, 3))
    blocks = coarse.repeat(size // 4, axis=1).repeat(size // 4, axis=2)
    noisy: Array = np.clip(blocks + rng.integers(-20, 21, blocks.shape), 0, 255).astype(np.uint8)
    return noisy


def random_network(classes: int = 10, *, seed: int = 0, size: int = SIZE, batch: int | str = "batch") -> ModelProto:
    """A float CNN ``[batch, 3, size, size] -> logits [batch, classes]``: two convolutions and a dense layer.

    Its weights are random but scaled such that its predictions vary with the input and its confidence spans the range.

    :param batch: a number fixes the graph to that batch size.
    """
    rng = np.random.default_rng(seed)
    features = 16 * (size // 4) ** 2
    # Rows that sum to zero: otherwise the mean brightness, alike in all pictures, decides the class.
    dense = rng.normal(0, 60 / features, (classes, features))
    weights = {
        "w1": rng.normal(0, 0.4, (8, 3, 3, 3)),
        "b1": rng.normal(0, 0.1, 8),
        "w2": rng.normal(0, 0.2, (16, 8, 3, 3)),
        "b2": rng.normal(0, 0.1, 16),
        "w3": dense - dense.mean(axis=1, keepdims=True),
        "b3": rng.normal(0, 0.1, classes),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="conv1", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv2", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("Flatten", ["r2"], ["flat"], name="flatten", axis=1),
        helper.make_node("Gemm", ["flat", "w3", "b3"], [LOGITS], name="dense", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "random",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", _TARGET.opset)]
    return helper.make_model(graph, opset_imports=opset, ir_version=_TARGET.ir_version)


def make_artifact(
    directory: Path,
    *,
    name: str = "model",
    placement: Literal["graph", "host"] = "graph",
    head: Literal["float", "int8"] = "float",
    defense: Defense | None = _DEFAULT,
    labels: tuple[str, ...] = (),
    with_lab: bool = True,
    classes: int = 10,
    quantized: bool = True,
    batch: int | None = None,
    images: bool = True,
    seed: int = 0,
) -> Path:
    """Write ``directory/NAME.edgeguard`` and its lab; returns the artifact's path.

    :param head: whether logits leave the last layer as float or int8.
    :param defense: ``None`` gives plain posteriors.
    :param with_lab: whether ``NAME.lab`` stands beside it (the manifest records its files either way).
    :param quantized: otherwise the network stays in float, as ``export`` without ``--int8`` leaves it.
    :param batch: the batch size that the graph is fixed to.
    :param images: otherwise the manifest has no preprocessing: the input counts as something that is no image.
    """
    network = _network(classes, seed, batch, quantized, head)
    preprocess = Preprocess((SIZE, SIZE))
    inputs = preprocess(random_images(256, seed=seed + 1))
    in_graph = defense is None or placement == "graph"
    end = Head("posterior" if in_graph else "logits", classes)
    if in_graph:
        deployed = attach(network.model, Head("logits", classes), defense)
    elif quantized and head == "int8":
        deployed, end = expose_integer_logits(network.model)
    else:
        deployed = network.model
    post = PostProcessor(end, None if in_graph else defense)
    logits = _runner(network.model, batch)(inputs)
    goldens = choose_goldens(inputs, logits, post(_runner(deployed, batch)(inputs)), network.step, defense)
    exact = attach(network.exact, Head("logits", classes), None)
    undefended = attach(network.model, Head("logits", classes), None)
    record = None if defense is None else record_of(defense, placement)
    manifest = Manifest(
        target=_TARGET.name,
        min_onnxruntime=_TARGET.min_onnxruntime,
        source=SourceFacts("model.onnx", "0" * 64, "onnx"),
        model=ModelFacts(
            file="model.onnx",
            format="onnx",
            input_name=deployed.graph.input[0].name,
            input_shape=(3, SIZE, SIZE),
            batch=batch,
            output_name=deployed.graph.output[0].name,
            head=end,
        ),
        preprocess=preprocess if images else None,
        labels=labels,
        tools={"edgeguard": "test"},
        files={},
        lab={},
        calibration=network.calibration,
        quantization=network.quantization,
        defense=record,
        min_reader=oldest_reader("onnx", record),
    )
    lab = {"float.onnx": _bytes(exact)} | ({"int8.onnx": _bytes(undefended)} if quantized else {})
    path = directory / f"{name}.edgeguard"
    files = {"model.onnx": _bytes(deployed), GOLDEN: goldens.to_bytes()}
    publish(Package(manifest, files, lab), path, replace_existing=True)
    if not with_lab:
        companion = directory / f"{name}.lab"
        for file in companion.iterdir():
            file.unlink()
        companion.rmdir()
    return path


@dataclass(frozen=True)
class _Network:
    """``exact`` is the float network, ``model`` the one to deploy; both end in float logits."""

    exact: ModelProto
    model: ModelProto
    step: float
    quantization: QuantizationFacts | None
    calibration: CalibrationFacts | None


@functools.cache
def _network(classes: int, seed: int, batch: int | None, quantized: bool, head: Literal["float", "int8"]) -> _Network:
    exact = random_network(classes, seed=seed, batch=batch or "batch")
    exact = cut_to_logits(exact, find_head(exact))
    data = array_set(Preprocess((SIZE, SIZE))(random_images(64, seed=seed + 2)), synthetic=False)
    tensors = dict.fromkeys((*quantizable_tensors(exact), LOGITS))
    observer = find_observer("min-max")
    ranges = collect(probe(exact, tensors), "image", tuple(tensors), data, observer, batch=batch).ranges
    step = (ranges[LOGITS].high - ranges[LOGITS].low) / 255
    if not quantized:
        return _Network(exact, exact, step, None, None)
    passed = Quantize(_TARGET, ranges, head=head)
    model = passed.run(exact)
    passed.ensures(exact, model)
    facts = _facts(_TARGET, head, exact.ByteSize(), model.ByteSize())
    calibration = CalibrationFacts("images", len(data), observer.name, {}, data.digest, "0" * 64, None, None)
    return _Network(exact, model, step, facts, calibration)


def _facts(target: Target, head: Literal["float", "int8"], before: int, after: int) -> QuantizationFacts:
    return QuantizationFacts(
        activation_type=target.activation_type,
        weight_type=target.weight_type,
        per_channel=target.per_channel,
        reduce_range=target.reduce_range,
        head=head,
        kept_float=(),
        integer_mac_share=1.0,
        optimizer_max_steps=0.0,
        float_bytes=before,
        int8_bytes=after,
    )


def _runner(model: ModelProto, batch: int | None) -> Callable[[Array], Array]:
    session = open_session(_bytes(model))
    return lambda inputs: run_session(session, inputs, batch)


def _bytes(model: ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


def repack(
    artifact: Path,
    *,
    model: Callable[[ModelProto], None] | None = None,
    golden: bytes | None = None,
    manifest: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Change an artifact in place such that every digest fits again: what a careless or hostile exporter would write.

    :param model: edits the model; ``golden`` replaces the goldens' file; ``manifest`` edits the manifest, as JSON.
    """
    content = json.loads((artifact / MANIFEST).read_bytes())
    if model is not None:
        network = onnx.load(artifact / "model.onnx")
        model(network)
        (artifact / "model.onnx").write_bytes(_bytes(network))
    if golden is not None:
        (artifact / GOLDEN).write_bytes(golden)
    if manifest is not None:
        manifest(content)
    content["files"] = {file: asdict(file_facts(artifact / file)) for file in content["files"]}
    (artifact / MANIFEST).write_text(json.dumps(content))
    return artifact
