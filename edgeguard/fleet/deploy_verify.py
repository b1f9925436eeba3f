"""Verifying an artifact where it is to run: on the device, by edgeguard there."""

from __future__ import annotations

from edgeguard.fleet.transport import Done, Transport

__all__ = ["complaint"]

_TIMEOUT_S = 600.0
# Of a process that died of a signal, as shells and sshd tell it, and as Python does.
_SIGNALS = {132: "SIGILL", -4: "SIGILL", 137: "SIGKILL", -9: "SIGKILL", 139: "SIGSEGV", -11: "SIGSEGV"}
_MEANING = {"SIGILL": "its CPU lacks an instruction", "SIGKILL": "out of memory, most likely", "SIGSEGV": "a crash"}


def complaint(transport: Transport, environment: str, artifact: str) -> str | None:
    """What is wrong with an artifact on the device; ``None``: digests, contract and golden answers are as they should.

    :param environment: path of the environment that answers.
    :param artifact: path of the artifact.
    :raises DeviceError: the device cannot be reached.
    """
    # Unset, some emulated and some small machines spend their time in idle threads of BLAS.
    command = ["env", "OPENBLAS_NUM_THREADS=1", f"{environment}/bin/python", "-P", "-m", "edgeguard.cli"]
    done = transport.run([*command, "verify", artifact, "--json"], timeout=_TIMEOUT_S)
    return None if done.code == 0 else _said(done)


def _said(done: Done) -> str:
    if done.code in _SIGNALS:
        signal = _SIGNALS[done.code]
        return f"edgeguard was ended by {signal} ({_MEANING[signal]})"
    lines = done.stderr.strip().splitlines()
    return lines[-1].strip().removeprefix("error: ") if lines else f"edgeguard failed with exit code {done.code}"
