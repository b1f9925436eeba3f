"""Killing a process at a chosen filesystem call, and running several at once.

A forked child watches itself through ``sys.setprofile``: Python reports each call of a built-in function before and
after it. Those of ``posix``, ``_io`` and ``fcntl`` are what touches the file system; ctypes calls are reported by
whoever wraps them with :meth:`Fuse.around`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, ParamSpec, TypeVar

from edgeguard.errors import EdgeguardError, OutputExists

P = ParamSpec("P")
R = TypeVar("R")

_MODULES = frozenset({"posix", "_io", "fcntl", "io"})
_FINISHED = 42


class Fuse:
    """Counts filesystem events and kills the process at the one numbered ``event``."""

    def __init__(self, event: int) -> None:
        self._left = event

    def tick(self) -> None:
        """One event."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function with an event before and after it."""

        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            self.tick()
            result = function(*args, **kwargs)
            self.tick()
            return result

        return wrapped

    def watch(self, _frame: FrameType, event: str, called: Any) -> None:
        """The profile function."""
        if event.startswith("c_") and touches_files(called):
            self.tick()


def touches_files(called: Any) -> bool:
    """Whether a built-in function or method belongs to the file system."""
    owner = type(getattr(called, "__self__", None)).__module__
    return getattr(called, "__module__", None) in _MODULES or owner in _MODULES


def killed_at(event: int, action: Callable[[Fuse], None]) -> bool:
    """Run ``action`` in a child that dies at its ``event``-th filesystem event.

    :returns: whether it died; otherwise it had fewer events, and finished.
    """
    child = os.fork()
    if child == 0:
        _run(Fuse(event), action)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == _FINISHED, "the child failed by itself"
    return False


def _run(fuse: Fuse, action: Callable[[Fuse], None]) -> NoReturn:
    code = 1
    try:
        sys.setprofile(fuse.watch)
        action(fuse)
        code = _FINISHED
    finally:
        sys.setprofile(None)
        os._exit(code)


def in_child(action: Callable[[], None]) -> int:
    """The process id of a child whose exit status is the action's exit code as an error, or 0."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        action()
        code = 0
    except EdgeguardError as error:
        code = 40 if isinstance(error, OutputExists) else error.exit_code
    finally:
        os._exit(code)


def exit_codes(children: list[int]) -> list[int]:
    return sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
