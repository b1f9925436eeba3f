"""The options that say how an image becomes the network's input."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import click

from edgeguard.errors import UsageError
from edgeguard.preprocess import PRESETS, Layout, Preprocess, preset

__all__ = ["Chosen", "numbers", "preprocess_options"]

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULT = "unit"
# The input is no image, whatever its shape.
_NONE = "none"
_OVERRIDES = ("crop", "colour", "mean", "std", "scale", "resample")


def numbers(kind: type[int] | type[float]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A callback that reads ``1,2,3`` as a tuple of numbers."""

    def parse(_: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
        if value is None:
            return None
        try:
            return tuple(kind(part) for part in str(value).split(","))
        except ValueError:
            raise click.BadParameter(f"{value!r} is no list like 1,2,3", param=parameter) from None

    return parse


def preprocess_options(function: F) -> F:
    """Preset and overrides, handed over together as ``preprocessing``, a :class:`Chosen`."""

    @functools.wraps(function)
    def collected(*, preprocess: str | None, **options: Any) -> Any:
        names = [field.name for field in fields(Chosen) if field.name in options]
        chosen = Chosen(preprocess, **{name: options.pop(name) for name in names})
        return function(preprocessing=chosen, **options)

    decorated: Any = collected
    for option in reversed(
        (
            click.option(
                "--preprocess",
                type=click.Choice([*PRESETS, _NONE]),
                help="How images become inputs; default: unit (0..1). none: the input is no image.",
            ),
            click.option("--crop", type=float, help="Resize the shorter side to size/CROP and cut the centre."),
            click.option("--colour", type=click.Choice(["rgb", "bgr", "grey"]), help="Order of the channels."),
            click.option(
                "--layout", type=click.Choice(["nchw", "nhwc"]), help="Order of the axes; default: as the shape has it."
            ),
            click.option("--mean", callback=numbers(float), help="Per channel, in units of pixel x scale: M or R,G,B."),
            click.option("--std", callback=numbers(float), help="Per channel, in units of pixel x scale: S or R,G,B."),
            click.option("--scale", type=float, help="What pixels (0..255) are multiplied with."),
            click.option(
                "--resample", type=click.Choice(["nearest", "bilinear", "bicubic", "lanczos"]), help="Resizing filter."
            ),
        )
    ):
        decorated = option(decorated)
    result: F = decorated
    return result


def _unheard(_: str) -> None:
    """A warning that nobody listens for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the command line says about preprocessing; ``None`` leaves the preset's value.

    Calling it with a network's input shape gives the :class:`Preprocess`, or ``None`` for an input that is no image and
    for which nothing was said.
    """

    preset: str | None
    crop: float | None
    colour: str | None
    layout: Layout | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    scale: float | None
    resample: str | None
    warn: Callable[[str], None] = _unheard

    def heard_by(self, warn: Callable[[str], None]) -> Chosen:
        """The same, its warnings told to somebody."""
        return replace(self, warn=warn)

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by option; what was not is ``None``."""
        said: dict[str, Any] = {f"--{name}": getattr(self, name) for name in _OVERRIDES}
        return {"--preprocess": self.preset, **said, "--layout": self.layout}

    def __call__(self, input_shape: tuple[int, ...]) -> Preprocess | None:
        """The preprocessing for a network's input shape.

        :raises UsageError: what was said fits no image, or not this network's.
        """
        overrides: dict[str, Any] = {name: value for name in _OVERRIDES if (value := getattr(self, name)) is not None}
        if self.preset == _NONE:
            return None
        said = self.preset is not None or bool(overrides)
        layout = self.layout or _layout_of(input_shape)
        channels = input_shape[0 if layout == "nchw" else -1]
        if len(input_shape) != 3 or (channels not in (1, 3) and not said):
            if said:
                raise UsageError(
                    f"the network's input {list(input_shape)} is no image", where="--preprocess", fix="Leave it out"
                )
            return None
        if not said:
            self.warn(
                f"no --preprocess was given: pixels go in as 0..1 ({_DEFAULT}). If the network was trained otherwise, "
                "its accuracy is lost without any further notice"
            )
        c, h, w = input_shape
        chosen = preset(self.preset or _DEFAULT, (c, h, w), layout)
        return replace(chosen, **overrides)


def _layout_of(input_shape: tuple[int, ...]) -> Layout:
    """Where an image's channels are, of which there are one or three: first, as in ONNX, or last, as in TFLite."""
    return "nchw" if input_shape[0] in (1, 3) or input_shape[-1] not in (1, 3) else "nhwc"
