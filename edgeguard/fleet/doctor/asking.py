"""Asking a device what there is to know about it."""

from __future__ import annotations

import time
from typing import Any

from edgeguard.fleet.doctor.answer import read_answer
from edgeguard.fleet.doctor.facts import Facts, read_facts
from edgeguard.fleet.remote_call import call
from edgeguard.fleet.transport import Transport

__all__ = ["ask_before_deploy", "ask_device", "ask_here"]

# Seven processes of up to a minute each, on a slow board.
_TIMEOUT_S = 480.0


def ask_device(transport: Transport, directory: str) -> Facts:
    """Facts of a device.

    :param directory: edgeguard's there.
    :raises DeviceError: it cannot be reached, has no Python, or answers nonsense.
    """
    return _ask(transport, {"directory": directory})


def ask_before_deploy(transport: Transport, directory: str) -> Facts:
    """Facts of a device but for its engines, which take longest and are replaced by a deployment.

    :raises DeviceError: see :func:`ask_device`.
    """
    return _ask(transport, {"directory": directory, "packages": []})


def ask_here(transport: Transport, directory: str, interpreter: str) -> Facts:
    """Facts of this machine, whose clock has no other to be compared with.

    :param interpreter: the Python whose packages are looked at.
    """
    request = {"directory": directory, "interpreter": interpreter}
    answer = call(transport, "probe", request, timeout=_TIMEOUT_S)
    return read_facts(read_answer(answer, transport.name))


def _ask(transport: Transport, request: dict[str, Any]) -> Facts:
    before = time.time()
    answer = call(transport, "probe", request, timeout=_TIMEOUT_S)
    return read_facts(read_answer(answer, transport.name), (before, time.time()))
