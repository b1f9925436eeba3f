"""Bringing a model to the target's operator set.

A file newer than the device's runtime fails there, not here (onnxruntime#25932, #20559, #23602).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onnx import ModelProto, checker, defs, version_converter

from edgeguard.errors import BadModel, GuardFailed
from edgeguard.targets import Target

__all__ = ["Lift", "Opset", "model_opset"]

# Per-channel quantization exists from here on.
_OLDEST = 13


def model_opset(model: ModelProto) -> int:
    """The version of the standard operators that a model imports."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


@dataclass(frozen=True, slots=True)
class Opset:
    """Converts to the target's operator set and stamps its IR version.

    An older model that cannot be converted all the way keeps the newest set from 13 on that it can be converted to. A
    newer one is converted down, which onnx can do where a newer operator only knows more types.
    """

    target: Target

    name: ClassVar[str] = "opset"

    def requires(self, model: ModelProto) -> None:
        """Every operator exists, in some form, in the newest set that the target's runtime knows."""
        unknown = sorted({name for name in _newer(model, self.target.opset) if not defs.has(name, self.target.opset)})
        if unknown:
            raise self._too_new(unknown)

    def run(self, model: ModelProto) -> ModelProto:
        """The model in the target's set, or the nearest that works."""
        present = model_opset(model)
        result = ModelProto()
        result.CopyFrom(model)
        if present < self.target.opset:
            result = self._upgrade(model, present)
        elif present > self.target.opset:
            result = self._downgrade(result)
        result.ir_version = self.target.ir_version
        return result

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """The result is valid, within the target's sets, and has the same interface."""
        if model_opset(after) > self.target.opset or after.ir_version > self.target.ir_version:
            raise GuardFailed("opset or IR version is newer than the target's (onnxruntime#25932)")
        try:
            checker.check_model(after)
        except checker.ValidationError as error:
            raise GuardFailed(f"the model is invalid after conversion: {str(error).splitlines()[0]}") from None
        if [value.name for value in before.graph.output] != [value.name for value in after.graph.output]:
            raise GuardFailed("conversion changed the outputs' names")

    def _downgrade(self, model: ModelProto) -> ModelProto:
        newer = _newer(model, self.target.opset)
        if newer:
            try:
                return version_converter.convert_version(model, self.target.opset)
            except Exception:  # the converter raises RuntimeError and ConvertError for every reason
                raise self._too_new(newer) from None
        for entry in model.opset_import:
            if entry.domain in ("", "ai.onnx"):
                entry.version = self.target.opset
        return model

    def _too_new(self, operators: list[str]) -> BadModel:
        return BadModel(
            f"{', '.join(operators)} need a newer operator set than {self.target.opset}, the newest that target "
            f"{self.target.name} promises to run",
            fix="Export the network with an older opset_version",
        )

    def _upgrade(self, model: ModelProto, present: int) -> ModelProto:
        reason = ""
        for version in range(self.target.opset, max(present, _OLDEST) - 1, -1):
            try:
                return version_converter.convert_version(model, version)
            except Exception as error:  # the converter raises RuntimeError and ConvertError for every reason
                reason = str(error).strip().splitlines()[0]
        if present >= _OLDEST:
            return model
        raise BadModel(
            f"operator set {present} cannot be converted to {_OLDEST} or later: {reason}",
            fix=f"Export the network again with opset_version={self.target.opset}",
        )


@dataclass(frozen=True, slots=True)
class Lift:
    """As :class:`Opset`, for models that stay as they are if the target can run them: converted is only what is older
    than the oldest set that a defense can be written in, or newer than the target's."""

    target: Target

    name: ClassVar[str] = "lift"

    def requires(self, model: ModelProto) -> None:
        """As :class:`Opset`."""
        Opset(self.target).requires(model)

    def run(self, model: ModelProto) -> ModelProto:
        """The model itself, or the nearest that works."""
        fits = _OLDEST <= model_opset(model) <= self.target.opset and model.ir_version <= self.target.ir_version
        return model if fits else Opset(self.target).run(model)

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """As :class:`Opset`."""
        Opset(self.target).ensures(before, after)


def _newer(model: ModelProto, opset: int) -> list[str]:
    """Operators of the main graph whose present form is newer than a set."""
    present = model_opset(model)
    standard = {node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx")}
    return sorted(name for name in standard if _since(name, present) > opset)


def _since(operator: str, version: int) -> int:
    try:
        return int(defs.get_schema(operator, version, "").since_version)
    except defs.SchemaError:
        return 0
