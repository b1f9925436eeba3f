"""Everything that answers one query, around one victim: graphs in ONNX Runtime, and peers in torch."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.cost.networks import NETS, Net, exact, pictures, quantized
from benchmarks.cost.variants import PLAIN, listed, variants
from edgeguard.attacks.baselines.networks import posteriors_of
from edgeguard.attacks.baselines.protocol import PeerVictim
from edgeguard.attacks.baselines.registry import configure
from edgeguard.bench.timing import undisturbed
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.export.head import attach
from edgeguard.export.loading import LoadRequest
from edgeguard.export.loading.pickled import load_pickle
from edgeguard.runtimes.ort_session import open_session
from tests.defenses.fitted import defense as fitted

__all__ = ["FASHION", "QUERIED", "Durations", "Subject", "measured", "subjects"]

Array = np.ndarray[Any, Any]
Call = Callable[[Array], Any]
# Per subject the median duration of each block, in microseconds.
Durations = dict[str, list[float]]

_LENET = Path(__file__).resolve().parents[1] / "evaluation" / "lenet_fashion_mnist.pt"
FASHION = replace(
    NETS["lenet"],
    name="lenet-fashion",
    factory="edgeguard.attacks.students.lenet:lenet",
    weights=str(_LENET),
)
QUERIED = {net.name: net for net in (NETS["resnet20"], FASHION)}
_IN_GRAPH = ("dcp", "reverse-sigmoid", "label", "codebook", "decoy", "decoy+max-logit")
_FLOAT_GRAPH = ("dcp", "reverse-sigmoid", "decoy", "decoy+max-logit")
_ON_HOST = ("dcp", "reverse-sigmoid", "decoy", "decoy+max-logit")
_PEERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("adaptive-misinformation", "adaptive-misinformation", {}),
    ("mad", "mad", {}),
    ("mad, all weights", "mad", {"layers": "all"}),
    ("mad-argmax", "mad-argmax", {}),
    ("grad2", "grad2", {}),
    ("modelguard-w", "modelguard-w", {}),
    ("modelguard-s", "modelguard-s", {}),
)
_INPUTS = 8
# Queries that a quantizer remembers when it is timed.
_PAST = 500
_TURN_US = 20_000.0


@dataclass(frozen=True)
class Subject:
    """Something that is timed.

    :param group: engine and type: ratios are taken within one.
    :param plain: whether it is the group's undefended victim.
    :param graph: for ONNX Runtime; ``None`` for torch.
    """

    group: str
    name: str
    plain: bool
    graph: Path | None = None

    @property
    def label(self) -> str:
        return f"{self.group}: {self.name}"


def subjects(net: Net, reference: Path, scratch: Path) -> list[Subject]:
    """Everything around one victim; its graphs are written to ``scratch``."""
    found: list[Subject] = []

    def graph(group: str, name: str, plain: bool, content: bytes) -> None:
        path = scratch / f"{net.name}-{len(found)}.onnx"
        path.write_bytes(content)
        found.append(Subject(group, name, plain, path))

    known = frozenset(_IN_GRAPH) & {name for name, _, _ in listed()}
    for variant in variants(quantized(net, reference, scratch), known):
        if variant.name.startswith("A/A"):
            continue
        plain = variant.name == PLAIN[variant.head]
        graph(f"int8, {variant.head} head", _UNDEFENDED if plain else variant.name, plain, _bytes(variant.model))
    network, head = exact(net, reference, scratch), Head("logits", net.classes)
    graph("float", _UNDEFENDED, True, _bytes(attach(network, head, None)))
    for name in _FLOAT_GRAPH:
        graph("float", name, False, _bytes(attach(network, head, _defense(name, head))))
    found.append(Subject("torch", _UNDEFENDED, True))
    found += [Subject("torch", f"{name}{_HOST}", False) for name in _ON_HOST]
    found += [Subject("torch", name, False) for name, _, _ in _PEERS]
    return found


_UNDEFENDED = "undefended"
_HOST = ", numpy"


def measured(net: Net, listed_subjects: list[Subject], reference: Path, blocks: int, seed: int) -> Durations:
    """One process's share: all subjects in turn, in a new order in each block."""
    torch.set_num_threads(1)
    batches = [np.ascontiguousarray(image[None]) for image in pictures(net, _INPUTS, seed=seed)]
    in_torch = dict(_torch_calls(net, reference, seed))
    calls = {one: in_torch[one.name] if one.graph is None else _session(one.graph) for one in listed_subjects}
    runs = {one: _runs(call, batches) for one, call in calls.items()}
    found: Durations = {one.label: [] for one in listed_subjects}
    order, rng = list(listed_subjects), random.Random(seed)
    with undisturbed():
        for _ in range(blocks):
            rng.shuffle(order)
            for one in order:
                found[one.label].append(_median(calls[one], batches, runs[one]))
    return found


def _median(call: Call, batches: list[Array], runs: int) -> float:
    clock, samples = time.perf_counter_ns, []
    # The caches are somebody else's at first.
    call(batches[-1])
    for index in range(runs):
        begin = clock()
        call(batches[index % len(batches)])
        samples.append(clock() - begin)
    return float(np.median(samples)) / 1e3


def _runs(call: Call, batches: list[Array]) -> int:
    durations = [_median(call, batches, 1) for _ in range(4)]
    return int(np.clip(_TURN_US / min(durations), 3, 200))


def _session(path: Path) -> Call:
    session = open_session(path)
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    return lambda batch: session.run(outputs, {name: batch})


def _torch_calls(net: Net, reference: Path, seed: int) -> Iterator[tuple[str, Call]]:
    network, head = _network(net, reference), Head("logits", net.classes)
    yield _UNDEFENDED, lambda batch: posteriors_of(network, batch).astype(np.float32)
    for name in _ON_HOST:
        yield f"{name}{_HOST}", _behind(network, PostProcessor(head, _defense(name, head)))
    images = pictures(net, _PAST, seed=seed + 1)
    # Whatever their weights are, networks take the same time.
    victim = PeerVictim(network, net.classes, images, None, lambda key, drawn, train: drawn.eval())  # noqa: ARG005
    for label, name, parameters in _PEERS:
        peer = configure(name, parameters)
        answer = peer.answerer(victim, seed)
        if peer.remembers:
            answer(images)
        yield label, answer


def _behind(network: nn.Module, post: PostProcessor) -> Call:
    @torch.inference_mode()
    def call(batch: Array) -> Any:
        return post(network(torch.from_numpy(batch)).numpy())

    return call


def _network(net: Net, reference: Path) -> nn.Module:
    assert net.weights is not None
    loaded, _ = load_pickle(LoadRequest(reference / "models" / net.weights, net.factory, input_shape=net.shape))
    return loaded.eval()


def _defense(name: str, head: Head) -> Any:
    response, _, score = name.partition("+")
    return fitted(response, head, score or None)  # type: ignore[arg-type]


def _bytes(model: Any) -> bytes:
    content: bytes = model.SerializeToString(deterministic=True)
    return content
