"""TorchScript's source: a program in a small language, which can write files and run for ever.

``torch.jit.load`` runs parts of it, and conversion runs the rest, so it is read before either.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from edgeguard.errors import BadModel, UnsafeFile
from edgeguard.runtimes.first_line import first_line

__all__ = ["check_script"]

# Whole words wherever they stand: the language has no other way to name an operator that touches files.
_FORBIDDEN = re.compile(
    rb"\b(from_file|save|while|ops\s*\.\s*(?!(aten|prim|prims|torchvision)\b)\w+)\b"
    # Sequential's children have numbers for names, which only getattr can say.
    rb"|\bgetattr\b(?!\s*\(\s*self\s*,\s*\"[^\"\\]*\"\s*\))"
)


def check_script(path: Path) -> None:
    """Read all the source in a TorchScript archive.

    :raises UnsafeFile: it names an operator that writes files, or loops for as long as it likes.
    :raises BadModel: the archive cannot be read.
    """
    try:
        archive = torch._C.PyTorchFileReader(str(path))
        names = archive.get_all_records()
        sources = {name: archive.get_record(name) for name in names if _is_source(name)}
    except RuntimeError as error:
        raise BadModel(f"is damaged: {first_line(error)}", where=str(path), fix="Save it again") from None
    if any(name.lower() == "model.json" for name in names):
        raise UnsafeFile("is TorchScript of before 2019, which is read by other rules", where=str(path), fix=_FIX)
    for name, source in sources.items():
        found = _FORBIDDEN.search(source)
        if found is not None:
            word = found.group().decode(errors="replace")
            raise UnsafeFile(
                f"its TorchScript uses {word!r} ({name}), which can write files, run other code or never end",
                where=str(path),
                fix=_FIX,
            )


_FIX = "Save it again with torch.jit.trace or torch.export; if you made it yourself, --trust-pickle loads it as it is"


def _is_source(name: str) -> bool:
    lower = name.lower()
    return lower.startswith("code/") and lower.endswith(".py")
