"""Pickles in torch's archives: a state_dict, which is data, or a whole ``nn.Module``, which is code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from edgeguard.errors import BadModel, UnsafeFile, UsageError
from edgeguard.export.loading.base import LoadRequest
from edgeguard.runtimes.first_line import first_line

__all__ = ["build_network", "load_pickle"]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_SHOWN = 8


def load_pickle(request: LoadRequest) -> tuple[torch.nn.Module, bool]:
    """The network in a pickle, and whether it came as a whole module.

    :raises UnsafeFile: the pickle names anything but tensors and was not declared trusted.
    :raises UsageError: it is a state_dict and no architecture was named.
    :raises BadModel: its keys do not fit the architecture, or it holds no network.
    """
    where = str(request.path)
    try:
        foreign = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(request.path))
    except Exception as error:  # a hand-made pickle can make the scanner fail anywhere
        raise UnsafeFile(f"its pickle cannot be examined: {first_line(error)}", where=where) from None
    if foreign and not request.trust_pickle:
        raise UnsafeFile(
            f"holds pickled code ({', '.join(foreign[:_SHOWN])}), which would run when it is loaded",
            where=where,
            fix="Save the state_dict or an ExportedProgram (torch.export.save) instead; if you made the file "
            "yourself, --trust-pickle loads it as it is",
        )
    if foreign:
        _import_from_here()
    try:
        content = torch.load(request.path, map_location="cpu", weights_only=not foreign)
    except Exception as error:  # torch raises whatever the damaged part makes it raise
        raise BadModel(f"cannot be loaded: {first_line(error)}", where=where, fix="Save it again") from None
    if isinstance(content, torch.nn.Module):
        return content.eval(), True
    return _from_state_dict(content, request), False


def build_network(request: LoadRequest) -> torch.nn.Module:
    """What the architecture's factory returns.

    :raises UsageError: it cannot be imported or called, or returns no module.
    """
    assert request.arch is not None
    module_name, _, factory_name = request.arch.partition(":")
    if not factory_name:
        raise UsageError(f"{request.arch!r} is not of the form pkg.module:factory", where="--arch")
    _import_from_here()
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except Exception as error:  # whatever the user's module raises at import
        raise UsageError(
            f"cannot import {request.arch!r}: {type(error).__name__}: {first_line(error)}",
            where="--arch",
            fix="It is imported from the current directory and the installed packages",
        ) from None
    try:
        network = factory(**{name: _parsed(text) for name, text in request.arch_args})
    except Exception as error:
        raise UsageError(f"{request.arch} fails: {type(error).__name__}: {first_line(error)}", where="--arch") from None
    if not isinstance(network, torch.nn.Module):
        raise UsageError(f"{request.arch} returns {type(network).__name__}, not a torch.nn.Module", where="--arch")
    return network.eval()


def _from_state_dict(content: Any, request: LoadRequest) -> torch.nn.Module:
    where = str(request.path)
    state = _state_dict(content)
    if state is None:
        raise BadModel(
            f"holds {type(content).__name__}, not a state_dict",
            where=where,
            fix="Save model.state_dict(), or an ExportedProgram with torch.export.save",
        )
    if request.arch is None:
        raise UsageError(
            "is a state_dict: weights without the network they belong to",
            where=where,
            fix="Name the function that builds it, for example --arch mypackage.nets:resnet20",
        )
    network = build_network(request)
    expected = network.state_dict()
    missing, surplus = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    if missing or surplus:
        told = [f"{name}: {_listed(keys)}" for name, keys in (("missing", missing), ("surplus", surplus)) if keys]
        raise BadModel(
            f"its keys do not fit {request.arch}; {'; '.join(told)}", where=where, fix="Is it the right --arch?"
        )
    shapes = [key for key in expected if expected[key].shape != state[key].shape]
    if shapes:
        key = shapes[0]
        raise BadModel(
            f"{len(shapes)} tensors do not fit {request.arch}; {key} is {list(state[key].shape)} in the file and "
            f"{list(expected[key].shape)} in the network",
            where=where,
            fix="Are the --arch-arg values right?",
        )
    try:
        network.load_state_dict(state)
    except Exception as error:  # sparse, quantized or empty tensors cannot be copied into parameters
        raise BadModel(f"its tensors cannot be loaded: {first_line(error)}", where=where) from None
    return network


def _state_dict(content: Any) -> dict[str, torch.Tensor] | None:
    """Tensors by name, out of a checkpoint that may wrap them, without DataParallel's prefix."""
    if isinstance(content, Mapping):
        for key in _WRAPPERS:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping) or not content:
        return None
    if not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()):
        return None
    state = dict(content)
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def _parsed(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _import_from_here() -> None:
    """Let the user's own modules be found, as ``python -m`` does."""
    here = str(Path(os.curdir).resolve())
    if here not in sys.path:
        sys.path.insert(0, here)
