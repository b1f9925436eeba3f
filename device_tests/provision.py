"""Edgeguard's environment on a device, without an artifact: what tests and benchmarks run their own programs in."""

from __future__ import annotations

from edgeguard.fleet.deploy_environment import fetched_once, provide_environment
from edgeguard.fleet.deploy_store import Place
from edgeguard.fleet.transport import Transport

__all__ = ["DIRECTORY", "provision"]

# Beside what a user may have deployed to the same board.
DIRECTORY = "edgeguard-tests"


class _Quiet:
    """A reporter that says nothing."""

    def step(self, text: str) -> None:
        """A stage begins."""

    def warn(self, text: str) -> None:
        """Something the owner must know."""


def provision(transport: Transport, directory: str = DIRECTORY) -> str:
    """See that the device has the environment for models of every format, and return edgeguard's directory there.

    :raises EdgeguardError: the wheels cannot be fetched, or the device is unfit.
    """
    made = provide_environment(transport, directory, fetched_once(dependencies=True), _Quiet(), {"onnx", "tflite"})
    environments = Place(transport, directory, "env")
    before = environments.status().current
    if before != made.identifier:
        environments.switch(made.identifier, before)
    return directory
