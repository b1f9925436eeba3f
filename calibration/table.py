"""The calibration table: ranges by tensor, and the digests that say when they may be used again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from edgeguard.calibration.collect import HalvesReport
from edgeguard.calibration.observers import Range
from edgeguard.digests import json_digest
from edgeguard.errors import BadData

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["CalibrationKey", "CalibrationTable", "load_table"]


@dataclass(frozen=True, slots=True)
class CalibrationKey:
    """Everything that ranges depend on (onnxruntime#21908: users must not recalibrate for each tweak).

    :param model: digest of the model that was watched.
    :param data: digest of the calibration set.
    """

    model: str
    data: str
    observer: str
    parameters: dict[str, float]

    @property
    def digest(self) -> str:
        """One digest of it all."""
        return json_digest([self.model, self.data, self.observer, self.parameters])


@dataclass(frozen=True, slots=True)
class CalibrationTable:
    """Ranges by tensor name.

    :param images: how many images they were measured on.
    """

    key: CalibrationKey
    images: int
    ranges: dict[str, Range]
    halves: HalvesReport | None

    def to_bytes(self) -> bytes:
        """The content of ``calibration.json``."""
        return _adapter().dump_json(self, indent=1) + b"\n"


def load_table(path: Path) -> CalibrationTable:
    """Read a table.

    :raises BadData: there is none, or it is damaged.
    """
    from pydantic import ValidationError

    try:
        return _adapter().validate_json(path.read_bytes())
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadData(f"is no calibration table: {first['msg']}", where=str(path), fix="Calibrate again") from None


@cache
def _adapter() -> TypeAdapter[CalibrationTable]:
    from pydantic import TypeAdapter

    return TypeAdapter(CalibrationTable)
