"""Keeping the chatter of libraries from the terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed, warned or logged from Python within the block; errors pass."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        unheard = io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(unheard),
            # torch.export prints the whole graph here when it meets what it cannot follow.
            contextlib.redirect_stderr(unheard),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
