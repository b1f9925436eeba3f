"""What converts a network to TFLite, in a process of its own.

``python -m edgeguard.export.tflite.child IN OUT LAYOUT``; see :mod:`edgeguard.export.tflite.convert` for why.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["REFUSED", "main"]

# The exit code that says: the last line on stdout is the reason.
REFUSED = 3


def main() -> int:
    """Convert the ExportedProgram at IN to the ``.tflite`` at OUT, its input axes in LAYOUT."""
    source, result, layout = sys.argv[1:]
    try:
        Path(result).write_bytes(_convert(Path(source), layout))
    except Exception as error:  # the converter raises whatever its parts raise
        lines = str(error).strip().splitlines()
        print(f"\n{type(error).__name__}: {lines[0]}" if lines else f"\n{type(error).__name__}")
        return REFUSED
    return 0


def _convert(source: Path, layout: str) -> bytes:
    import litert_torch
    import torch

    program = torch.export.load(source)
    (sample,) = program.example_inputs[0]
    module = program.module()
    if layout == "NHWC":
        module = litert_torch.to_channel_last_io(module, args=[0])
        sample = sample.permute(0, 2, 3, 1).contiguous()
    data: bytes = litert_torch.convert(module, (sample,)).model_content()
    return data


if __name__ == "__main__":
    sys.exit(main())
