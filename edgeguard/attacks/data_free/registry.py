"""The data-free attacks there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from edgeguard.attacks.data_free.contest import DataFreeAttack
from edgeguard.attacks.data_free.dfme import DFME
from edgeguard.attacks.data_free.maze import MAZE
from edgeguard.errors import UsageError

__all__ = ["DATA_FREE", "find_data_free"]

DATA_FREE: dict[str, DataFreeAttack] = {"dfme": DFME, "maze": MAZE}


def find_data_free(name: str) -> DataFreeAttack:
    """A data-free attack by its name.

    :raises UsageError: there is none.
    """
    try:
        return DATA_FREE[name]
    except KeyError:
        raise UsageError(
            f"there is no data-free attack {name!r}", fix=f"Choose one of: {', '.join(DATA_FREE)}"
        ) from None
