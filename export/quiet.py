"""Keeping the chatter of libraries from the terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator

__all__ = ["quiet", "quiet_below"]


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


@contextlib.contextmanager
def quiet_below() -> Iterator[None]:
    """Nothing is printed within the block, neither from Python nor from C++, whatever thread it comes from."""
    with quiet():
        # What was printed before must not be flushed into the sink.
        for held in (sys.__stdout__, sys.__stderr__):
            if held is not None:
                held.flush()
        kept = [(stream, os.dup(stream)) for stream in (1, 2)]
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            for stream, _ in kept:
                os.dup2(sink, stream)
            yield
        finally:
            for stream, copy in kept:
                os.dup2(copy, stream)
                os.close(copy)
            os.close(sink)
