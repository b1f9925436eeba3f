"""Calibration images made from BatchNorm statistics."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from edgeguard.errors import BadModel
from edgeguard.export.batch_norms import watcher
from edgeguard.export.loading import LoadedModel
from edgeguard.export.synthetic import synthesize
from edgeguard.preprocess import Preprocess
from tests.export.graphs import Array
from tests.networks import SHAPE, Tiny, trained_tiny

Load = Callable[[str], LoadedModel]
UNIT = Preprocess((16, 16))


def images(module: torch.nn.Module, *, count: int = 32, batch: int | None = None, **options: object) -> Array:
    settings: dict[str, object] = {"preprocess": UNIT, "seconds": 60.0, "progress": lambda *_: None}
    return synthesize(module, SHAPE, count=count, batch=batch, **(settings | options))  # type: ignore[arg-type]


def distance(module: torch.nn.Module, values: Array) -> float:
    """How far means and deviations at all BatchNorm layers are from those remembered, in remembered deviations."""
    with torch.no_grad():
        seen = watcher(module)(torch.from_numpy(values))
    off = [torch.cat([each.mean - each.wanted_mean, each.std - each.wanted_std]) for each in seen]
    scale = [each.wanted_std.mean() for each in seen]
    off = [values / unit for values, unit in zip(off, scale, strict=True)]
    return float(torch.cat(off).square().mean().sqrt())


def noise(count: int = 32) -> Array:
    return np.random.default_rng(0).uniform(0, 1, (count, *SHAPE)).astype(np.float32)


def test_they_look_to_batch_norm_like_the_training_set(network: Tiny) -> None:
    """Trained on mean 0.3, deviation 0.5; noise has 0.5 and 0.29. A quarter of noise's distance is what we demand; the
    optimizer reaches much less on so small a network."""
    made = images(network)
    assert made.shape == (32, *SHAPE)
    assert made.dtype == np.float32
    assert distance(network, made) < 0.25 * distance(network, noise())


def test_they_stay_within_what_an_image_can_be(network: Tiny) -> None:
    for preprocess in (UNIT, Preprocess((16, 16), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))):
        made = images(network, preprocess=preprocess, seconds=1.0)
        low, high = preprocess.value_range
        assert low - 1e-5 <= made.min() < made.max() <= high + 1e-5


def test_two_exports_make_the_same_images(network: Tiny) -> None:
    with torch.random.fork_rng():
        first = images(network)
        torch.manual_seed(999)
        second = images(network)
    assert np.array_equal(first, second)
    blocks = images(network, count=64)
    assert np.array_equal(blocks[:32], first)
    assert not np.array_equal(blocks[32:], first)


def test_the_network_is_left_as_it_was() -> None:
    network = trained_tiny()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images(network, seconds=0.5)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_time_is_bounded(network: Tiny) -> None:
    """One step is taken whatever the bound, for each of two blocks; each of them takes milliseconds."""
    begin = time.monotonic()
    ticks: list[tuple[int, int]] = []
    made = images(network, count=64, seconds=0.0, progress=lambda done, total: ticks.append((done, total)))
    assert len(made) == 64
    assert len(ticks) == 2
    assert time.monotonic() - begin < 5


def test_half_the_time_is_left_for_the_second_half(network: Tiny) -> None:
    steps: list[int] = []
    images(network, count=64, seconds=0.2, progress=lambda done, _: steps.append(done))
    assert sum(step > 200 for step in steps) >= 0.2 * len(steps)


@pytest.mark.parametrize("name", ["script.pt", "traced.pt", "dynamic.pt2"])
def test_every_kind_of_network_is_watched_alike(network: Tiny, loaded: Load, name: str) -> None:
    """The same inputs, so the same statistics, whether Python, TorchScript or an exported graph runs them."""
    module = loaded(name).module
    assert module is not None
    values = torch.from_numpy(noise(4))
    expected = watcher(network)(values)
    found = watcher(module)(values)
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected, strict=True):
        for field in ("mean", "std", "wanted_mean", "wanted_std"):
            assert torch.allclose(getattr(one, field), getattr(other, field), atol=1e-4)
    assert distance(module, images(module)) < 0.25 * distance(module, noise())


def test_a_network_fixed_to_one_image_at_a_time(loaded: Load) -> None:
    found = loaded("fixed.pt2")
    assert found.module is not None
    made = images(found.module, count=4, batch=found.batch, seconds=20.0)
    assert made.shape == (4, *SHAPE)
    assert len({each.tobytes() for each in made}) == 4
    one = np.mean([distance(found.module, each[None]) for each in made])
    assert one < np.mean([distance(found.module, each[None]) for each in noise(4)])


def test_gradients_reach_the_inputs(network: Tiny) -> None:
    values = torch.from_numpy(noise(2)).requires_grad_()
    sum(each.mean.sum() for each in watcher(network)(values)).backward()
    assert values.grad is not None
    assert bool((values.grad != 0).any())


@pytest.mark.parametrize("kind", ["eager", "script"])
def test_a_network_without_batch_norm(loaded: Load, kind: str) -> None:
    module = trained_tiny(normalised=False) if kind == "eager" else loaded("plain_script.pt").module
    assert module is not None
    with pytest.raises(BadModel, match=r"no BatchNorm layer to make some from.*--calibration FOLDER_OR_NPZ"):
        images(module)


def test_batch_norm_without_memory_says_nothing() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4, track_running_stats=False)).eval()
    with pytest.raises(BadModel, match="no BatchNorm layer"):
        images(module)


def test_statistics_that_lead_nowhere() -> None:
    network = trained_tiny()
    with torch.no_grad():
        network.bn2.running_mean.fill_(3e38)  # type: ignore[operator, union-attr]
        network.bn2.running_var.fill_(1e-30)  # type: ignore[operator, union-attr]
    with pytest.raises(BadModel, match=r"lead to no finite image.*--calibration"):
        images(network, seconds=1.0)
