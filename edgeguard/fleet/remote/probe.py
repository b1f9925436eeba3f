"""What there is to know about the machine that this runs on: facts for ``doctor``, and for ``deploy`` before it copies.

It must report on a Python that is too old for edgeguard, not stumble over it: hence the syntax of Python 3.6. Nothing
is judged here. The small files of /proc and /sys go home as they are, because the parsers in :mod:`edgeguard.bench`
cannot come along; engines are imported by children, because a wheel for a newer CPU kills whoever imports it
(onnxruntime#23957, #24112, #24512).
"""

import glob
import importlib.util
import json
import os
import signal
import struct
import subprocess
import sys
import sysconfig
import time
from typing import Any, BinaryIO

# What may be read of the machine, below its root. Text is cut: the rest of a long /proc/cpuinfo repeats the beginning.
FILES = (
    "etc/os-release",
    "proc/cpuinfo",
    "proc/device-tree/model",
    "proc/device-tree/serial-number",
    "proc/loadavg",
    "proc/meminfo",
    "proc/mounts",
    "proc/pressure/*",
    "proc/swaps",
    "proc/sys/kernel/arch",
    "proc/sys/kernel/perf_event_paranoid",
    "run/systemd/timesync/synchronized",
    "sys/class/dmi/id/product_name",
    "sys/class/dmi/id/sys_vendor",
    "sys/class/hwmon/hwmon*/in0_lcrit_alarm",
    "sys/class/hwmon/hwmon*/name",
    "sys/class/thermal/cooling_device*/type",
    "sys/class/thermal/thermal_zone0/temp",
    "sys/devices/system/clocksource/clocksource0/available_clocksource",
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/*",
    "sys/devices/system/cpu/cpu0/microcode/version",
)
MOST_BYTES = 1 << 16
COMMANDS = {
    "vcgencmd": ["vcgencmd", "get_throttled"],
    "timedatectl": ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
}
# Distributions, and the module of each that loads its native code.
MODULES = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "edgeguard": "edgeguard",
}
# The working directory must not decide what is imported.
_ABOUT = """
import json, struct, sys
sys.path[:] = [place for place in sys.path if place]
try:
    from importlib.metadata import distributions
    packages = {str(found.metadata["Name"]): str(found.version) for found in distributions()}
except ImportError:
    packages = None
version = list(sys.version_info[:3])
print(json.dumps({"version": version, "bits": 8 * struct.calcsize("P"), "packages": packages}))
"""
_IMPORT = """
import importlib, json, sys
sys.path[:] = [place for place in sys.path if place]
name, distribution = sys.argv[1:]
try:
    module = importlib.import_module(name)
    version = getattr(module, "__version__", None)
    if version is None:
        from importlib.metadata import version as version_of
        version = version_of(distribution)
    answer = {"status": "imported", "version": str(version)}
except BaseException as error:
    missing = isinstance(error, ModuleNotFoundError) and (name + ".").startswith(str(error.name) + ".")
    last = (str(error).strip().splitlines() or [""])[-1].strip()
    answer = {"status": "missing" if missing else "failed", "detail": type(error).__name__ + ": " + last}
print()
print(json.dumps(answer))
"""


def main(request: "dict[str, Any]", payload: BinaryIO) -> "dict[str, Any]":
    """Look around.

    :param request: ``directory`` (edgeguard's, below the home unless absolute). May be given: ``interpreter`` (the
        Python that imports the engines; else that of the environment deployed here, else this one), ``packages``
        (those of :data:`MODULES` that it imports; else all), ``root`` (in place of ``/``), ``limit_s`` (for each
        import), ``watch_s`` (how long processes are watched).
    :return: see :class:`edgeguard.fleet.doctor.answer.Answer`.
    """
    del payload
    now = time.time()
    root = request.get("root", "/")
    home = os.path.join(os.path.expanduser("~"), request["directory"])
    processes = busiest(root, request.get("watch_s", 0.5))
    name = os.uname()
    path, origin = chosen(request.get("interpreter"), home)
    return {
        "time": now,
        "system": name.sysname,
        "kernel": name.release,
        "machine": name.machine,
        "user": os.geteuid(),
        "cores": os.cpu_count() or 1,
        "libc": libc(),
        "python": own_python(),
        "interpreter": interpreter(path, origin, request.get("packages", list(MODULES)), request.get("limit_s", 60)),
        "files": files(root),
        "commands": {name: output(command, 10) for name, command in COMMANDS.items()},
        "place": place(home),
        "deployed": deployed(home),
        "processes": processes,
    }


def own_python() -> "dict[str, Any]":
    """The Python that runs this: environments are made with it."""
    return {
        "executable": sys.executable,
        "version": list(sys.version_info[:3]),
        "bits": 8 * struct.calcsize("P"),
        "platform": sysconfig.get_platform(),
        "venv": importlib.util.find_spec("venv") is not None,
        "ensurepip": importlib.util.find_spec("ensurepip") is not None,
    }


def libc() -> "dict[str, Any]":
    """Which C library, and its version where it tells one: wheels are built for glibc."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (OSError, ValueError):
        name = version = ""
    if not name and glob.glob("/lib/ld-musl-*"):
        name = "musl"
    return {"name": name or None, "version": version or None}


def chosen(named: "str | None", home: str) -> "tuple[str, str]":
    """Path and origin of the interpreter whose engines are looked at."""
    if named is not None:
        return os.path.expanduser(named), "named"
    deployed_one = os.path.join(home, "env", "current", "bin", "python")
    if os.path.lexists(os.path.join(home, "env", "current")):
        return deployed_one, "deployed"
    return sys.executable, "own"


def interpreter(path: str, origin: str, packages: "list[str]", limit: float) -> "dict[str, Any]":
    """The interpreter, and how each import ends in a child of its own."""
    code, out = child([path, "-c", _ABOUT], limit)
    about = last_json(out)
    found: dict[str, Any] = {"path": path, "origin": origin, "failure": None, "imports": []}
    if code != 0 or about is None:
        return dict(found, version=None, bits=None, packages=None, failure=ending(code))
    return dict(found, imports=[imported(path, name, limit) for name in packages], **about)


def imported(path: str, name: str, limit: float) -> "dict[str, Any]":
    """How importing one distribution ends: ``imported``, ``missing``, ``failed``, ``killed`` or ``hangs``."""
    code, out = child([path, "-c", _IMPORT, MODULES[name], name], limit)
    found = {"name": name, "version": None, "detail": None}
    answer = last_json(out)
    if code == 0 and answer is not None:
        return dict(found, **answer)
    if code is None:
        return dict(found, status="hangs", detail=ending(code))
    killed = isinstance(code, int) and code < 0
    return dict(found, status="killed" if killed else "failed", detail=ending(code))


def child(command: "list[str]", limit: float) -> "tuple[int | str | None, str]":
    """Exit code and stdout of a command; the code is ``None`` when its time was up, or why it could not be started."""
    # Importing onnxruntime would write an identifier of the device below the user's home.
    quietly = {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = dict(os.environ, **quietly)
    quiet = subprocess.DEVNULL
    try:
        # Pipes, because a full disk has no room for a temporary file.
        process = subprocess.Popen(
            command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, cwd="/", env=environment, start_new_session=True
        )
    except OSError as error:
        return error.strerror or str(error), ""
    try:
        out = process.communicate(timeout=limit)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None, ""
    return process.returncode, out.decode("utf-8", "replace")


def ending(code: "int | str | None") -> str:
    """How a child ended, in words."""
    if code is None:
        return "the time was up"
    if isinstance(code, str):
        return code
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def last_json(text: str) -> "dict[str, Any] | None":
    """The object on the last line: what is imported may print, too."""
    lines = text.strip().splitlines()
    try:
        value = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def output(command: "list[str]", limit: float) -> "str | None":
    """What a command prints; ``None`` if it is not there or fails."""
    code, out = child(command, limit)
    return out if code == 0 else None


def files(root: str) -> "dict[str, str]":
    """The readable ones of :data:`FILES`, by their path below the root."""
    found = {}
    for pattern in FILES:
        for path in sorted(glob.glob(os.path.join(root, pattern))):
            try:
                with open(path, "rb") as stream:
                    text = stream.read(MOST_BYTES).decode("utf-8", "replace")
            except OSError:
                continue
            found[os.path.relpath(path, root)] = text
    return found


def place(home: str) -> "dict[str, Any]":
    """The file system where edgeguard's directory lies or will lie. Sizes in bytes."""
    path = home
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    space = os.statvfs(path)
    return {
        "path": os.path.realpath(path),
        "writable": os.access(path, os.W_OK | os.X_OK),
        "read_only": bool(space.f_flag & os.ST_RDONLY),
        "free": space.f_bavail * space.f_frsize,
        "total": space.f_blocks * space.f_frsize,
        # Some file systems make inodes as they need them, and count none.
        "inodes_free": space.f_favail if space.f_files else None,
    }


def deployed(home: str) -> "list[dict[str, Any]]":
    """The artifacts, and which version of each answers."""
    parent = os.path.join(home, "artifacts")
    found = []
    for name in sorted(os.listdir(parent)) if os.path.isdir(parent) else []:
        entry = {"name": name, "current": None, "previous": None, "intact": False}
        for link in ("current", "previous"):
            path = os.path.join(parent, name, link)
            if os.path.islink(path):
                entry[link] = os.path.basename(os.readlink(path))
        entry["intact"] = os.path.isfile(os.path.join(parent, name, "current", "manifest.json"))
        found.append(entry)
    return found


def busiest(root: str, seconds: float) -> "list[dict[str, Any]]":
    """The processes that used most CPU time meanwhile: at most five, each with its share of one core."""
    ticks = os.sysconf("SC_CLK_TCK")
    before, start = cpu_times(root), time.monotonic()
    time.sleep(seconds)
    after, passed = cpu_times(root), time.monotonic() - start
    shares = []
    for pid, (name, used) in after.items():
        if pid in before and pid != os.getpid() and used > before[pid][1]:
            shares.append(((used - before[pid][1]) / ticks / passed, pid, name))
    return [{"pid": pid, "name": name, "cpu": share} for share, pid, name in sorted(shares, reverse=True)[:5]]


def cpu_times(root: str) -> "dict[int, tuple[str, int]]":
    """Name and used CPU time (in ticks) of each process."""
    found = {}
    for path in glob.glob(os.path.join(root, "proc/[0-9]*/stat")):
        try:
            with open(path, "rb") as stream:
                text = stream.read().decode("utf-8", "replace")
            # The name stands in parentheses, and may hold some itself.
            name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
            found[int(text.split(" ", 1)[0])] = (name, int(fields[11]) + int(fields[12]))
        except (OSError, ValueError, IndexError):
            continue
    return found
