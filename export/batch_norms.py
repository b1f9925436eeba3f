"""Watching what a network's BatchNorm layers are given while it runs.

Eager modules and ExportedPrograms are watched by the function they call; TorchScript runs outside Python, so its graph
is changed to return what enters each BatchNorm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["Seen", "Watch", "watcher"]

_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Seen:
    """What one BatchNorm was given and what it remembers from training, each ``[channels]``."""

    mean: torch.Tensor
    std: torch.Tensor
    wanted_mean: torch.Tensor
    wanted_std: torch.Tensor


Watch = Callable[[torch.Tensor], list[Seen]]


def watcher(module: torch.nn.Module) -> Watch:
    """A function that runs a network on inputs and says what every BatchNorm saw, differentiably."""
    if isinstance(module, torch.jit.ScriptModule):
        return _script_watcher(module)

    def watch(inputs: torch.Tensor) -> list[Seen]:
        mode = _Watching()
        with mode:
            module(inputs)
        return mode.seen

    return watch


class _Watching(TorchFunctionMode):
    """Sees every call of a torch function from Python."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        found = _batch_norm_arguments(function, args, kwargs)
        if found is not None:
            self.seen.append(_seen(*found))
        return function(*args, **kwargs)


def _batch_norm_arguments(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """``(input, running_mean, running_var)`` of a call that normalises with remembered statistics."""
    if function is torch.nn.functional.batch_norm:
        positions = {"input": 0, "running_mean": 1, "running_var": 2}
    elif isinstance(function, torch._ops.OpOverload) and "batch_norm" in function.name():
        positions = {"input": 0, "running_mean": 3, "running_var": 4}
    else:
        return None
    value, mean, variance = (kwargs.get(key, args[at] if at < len(args) else None) for key, at in positions.items())
    if value is None or mean is None or variance is None:
        return None
    return value, mean, variance


def _script_watcher(module: torch.jit.ScriptModule) -> Watch:
    # Freezing inlines the submodules and turns their parameters into constants of one graph.
    graph = torch.jit.freeze(module.eval(), optimize_numerics=False).graph.copy()
    nodes = [list(node.inputs()) for node in graph.findAllNodes("aten::batch_norm")]
    remembered = [(inputs[3].toIValue(), inputs[4].toIValue()) for inputs in nodes]
    if not nodes or any(mean is None or variance is None for mean, variance in remembered):
        return lambda _: []
    collected = graph.insertNode(graph.create("prim::ListConstruct", [inputs[0] for inputs in nodes])).output()
    collected.setType(torch._C.ListType.ofTensors())
    graph.eraseOutput(0)
    graph.registerOutput(collected)
    graph.eraseInput(0)
    run = torch._C._create_function_from_graph("watch", graph)

    def watch(inputs: torch.Tensor) -> list[Seen]:
        return [_seen(value, *facts) for value, facts in zip(run(inputs), remembered, strict=True)]

    return watch


def _seen(value: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor) -> Seen:
    axes = [axis for axis in range(value.dim()) if axis != 1]
    deviation = (value.var(dim=axes, unbiased=False) + _EPSILON).sqrt()
    return Seen(value.mean(dim=axes), deviation, mean.detach(), (variance.detach() + _EPSILON).sqrt())
