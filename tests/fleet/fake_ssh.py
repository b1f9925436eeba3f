"""A stand-in for the ssh client that runs commands on this machine, and fails in the ways that ssh does."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["CUT", "HOME", "LOG", "SAY", "install"]

# Environment variables that steer it.
HOME = "FAKE_SSH_HOME"  # the device's home directory
SAY = "FAKE_SSH_SAY"  # fail at once with this on stderr
CUT = "FAKE_SSH_CUT"  # break the connection after so many bytes of stdin
LOG = "FAKE_SSH_LOG"  # append the arguments there

_SOURCE = f"""#!{sys.executable}
import os, subprocess, sys, threading
arguments = sys.argv[1:]
if os.environ.get("{LOG}"):
    with open(os.environ["{LOG}"], "a") as log:
        print(repr(arguments), file=log)
if "-O" in arguments:
    sys.exit(0)
if os.environ.get("{SAY}"):
    print(os.environ["{SAY}"], file=sys.stderr)
    sys.exit(255)
home = os.environ["{HOME}"]
command = arguments[arguments.index("--") + 1]
cut = os.environ.get("{CUT}")
process = subprocess.Popen(
    ["sh", "-c", command], cwd=home, env=dict(os.environ, HOME=home), stdin=subprocess.PIPE, start_new_session=True
)
def forward():
    left = int(cut) if cut else None
    try:
        while chunk := os.read(0, 65536 if left is None else min(65536, left)):
            process.stdin.write(chunk); process.stdin.flush()
            if left is not None:
                left -= len(chunk)
                if left <= 0:
                    break
        process.stdin.close()
    except OSError:
        pass
    if left == 0:
        print("client_loop: send disconnect: Broken pipe", file=sys.stderr, flush=True)
        os._exit(255)
threading.Thread(target=forward, daemon=True).start()
code = process.wait()
sys.stdout.flush()
os._exit(code if code >= 0 else 128 - code)
"""


def install(directory: Path) -> Path:
    """Write it as ``directory/ssh``; returns the directory, for the front of ``PATH``."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "ssh"
    program.write_text(_SOURCE)
    program.chmod(0o755)
    return directory
