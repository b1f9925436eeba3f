"""Verdicts on whole boards: from the files of a Pi and its ``vcgencmd`` through every reader to the judgement."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edgeguard.bench.device_facts import read_device
from edgeguard.bench.device_kind import device_kind
from edgeguard.bench.findings import find
from edgeguard.bench.host_state import HostState, read_state
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Window
from edgeguard.bench.verdict import Evidence, Verdict, judge
from edgeguard.bench.window import Watch
from edgeguard.cpu import parse_cpuinfo
from tests.bench.boards import BOARDS, Board, fake_vcgencmd, make_board, set_frequency, without_cpufreq
from tests.bench.machines import put

# What Pi OS says to a user who is not in the group video.
_NO_PERMISSION = 'echo "Can\'t open device file: /dev/vcio" >&2; exit 255'
ALARM = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"


@dataclass
class Lab:
    """A board on the desk, and what was recorded of it."""

    board: Board
    root: Path
    commands: Path

    def says(self, value: str) -> None:
        """From now on the firmware answers with this."""
        fake_vcgencmd(self.commands, f"echo throttled={value}")

    def script(self, line: str) -> None:
        fake_vcgencmd(self.commands, line)

    def alarms(self, alarm: bool) -> None:
        put(self.root, {ALARM: f"{alarm:d}\n"})

    def removes_vcgencmd(self) -> None:
        (self.commands / "vcgencmd").unlink(missing_ok=True)

    def measures(
        self,
        between: Callable[[], None] = lambda: None,
        *,
        meanwhile: Callable[[], None] = lambda: None,
        others_seconds: float = 0.0,
    ) -> tuple[Verdict, tuple[str, ...]]:
        """Verdict and findings of a measurement in three processes.

        :param between: what happens after the first reading of the state.
        :param meanwhile: what happens within the last process: only the reading at its end can show it.
        """
        kind = device_kind(self.root, "aarch64")
        before = read_state(self.root)
        between()
        windows = [self._window(meanwhile if number == 2 else lambda: None, others_seconds) for number in range(3)]
        after = read_state(self.root)
        device = read_device(kind.model, self.root)
        evidence = Evidence(kind.kind, before, after, windows, {"defended": 700}, Interval(1.0, 0.999, 1.001, 0.95))
        return judge(evidence), find(kind, device.cpu, after, (), ())

    def _window(self, happens: Callable[[], None], others_seconds: float) -> Window:
        watch = Watch(self.root)
        happens()
        # The machine that runs the test may be busy; the board is not.
        return replace(watch.stop(), seconds=1.0, others_seconds=others_seconds, steal_seconds=0.0, cpus=4)


@pytest.fixture(params=BOARDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A healthy board, whose vcgencmd is the only command on PATH."""
    board = BOARDS[request.param]
    found = Lab(board, make_board(tmp_path / "root", board), tmp_path / "bin")
    found.says("0x0")
    monkeypatch.setenv("PATH", str(found.commands))
    return found


def codes(verdict: Verdict) -> tuple[str, dict[str, str]]:
    return verdict.status, {reason.code: reason.status for reason in verdict.reasons}


VALID: tuple[str, dict[str, str]] = ("valid", {})
THROTTLED = ("invalid", {"throttled": "invalid"})
SILENT = ("unknown", {"throttling-unknown": "unknown"})


def test_the_board_is_recognized_with_its_core_and_features(lab: Lab) -> None:
    kind = device_kind(lab.root, "aarch64")
    assert (kind.kind, kind.model) == ("board", lab.board.model)
    device = read_device(kind.model, lab.root)
    assert (device.model, device.system) == (lab.board.model, "Debian GNU/Linux 13 (trixie)")
    assert (device.cpu.model, device.cpu.part) == (lab.board.core, f"0x41:{lab.board.part}")
    assert device.cpu.dot_product is lab.board.dot_product
    assert (device.frequency_min_khz, device.frequency_max_khz) == lab.board.khz
    assert (device.virtual, device.zram) == (None, False)


def test_a_board_without_its_serial_number_is_qemu(lab: Lab) -> None:
    put(lab.root, {"proc/device-tree/serial-number": "0000000000000000\0"})
    assert device_kind(lab.root, "aarch64").kind == "emulated"


def test_its_state_is_read(lab: Lab) -> None:
    state = read_state(lab.root)
    assert (state.governor, state.frequency_khz) == (("performance",), (lab.board.khz[1],) * 4)
    assert (state.temperature_c, state.pressure) == (51.121, {"cpu": 0.0})
    assert state.throttled is not None
    assert (state.throttled.source, state.throttled.raw) == ("vcgencmd", "0x0")


def test_a_healthy_board_is_valid(lab: Lab) -> None:
    verdict, findings = lab.measures()
    assert codes(verdict) == VALID
    assert findings == ()


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("0x1", "under-voltage"),
        ("0x2", "frequency capped"),
        ("0x4", "throttled"),
        ("0x8", "soft temperature limit"),
        ("0x50005", "throttled, under-voltage"),
    ],
)
def test_what_holds_now_is_invalid_whether_before_or_after(lab: Lab, now: str, words: str) -> None:
    verdict, _ = lab.measures(between=lambda: lab.says(now))
    assert codes(verdict) == THROTTLED
    assert verdict.reasons[0].text == f"the firmware reports: {words}"
    verdict, _ = lab.measures(between=lambda: lab.says("0x0"))
    assert codes(verdict) == THROTTLED


@pytest.mark.parametrize("mark", ["0x10000", "0x20000", "0x40000", "0x80000"])
def test_what_came_and_went_during_the_measurement_is_invalid_and_found(lab: Lab, mark: str) -> None:
    verdict, findings = lab.measures(between=lambda: lab.says(mark))
    assert codes(verdict) == THROTTLED
    (finding,) = findings
    assert finding.startswith("Since boot the firmware has seen: ")


def test_under_voltage_long_before_is_forgiven_but_told(lab: Lab) -> None:
    lab.says("0x10000")
    verdict, findings = lab.measures()
    assert codes(verdict) == VALID
    assert findings == ("Since boot the firmware has seen: under-voltage. Check power supply and cooling.",)


def test_an_old_mark_does_not_hide_a_new_one(lab: Lab) -> None:
    lab.says("0x10000")
    verdict, findings = lab.measures(between=lambda: lab.says("0x50000"))
    assert codes(verdict) == THROTTLED
    assert verdict.reasons[0].text == "the firmware reports: throttled"
    assert "under-voltage, throttled" in findings[0]


UNREADABLE = {
    "no permission for /dev/vcio": _NO_PERMISSION,
    "no permission, told on stdout": "echo VCHI initialization failed; exit 1",
    "garbage": "echo throttled=banana",
    "bytes that are no text": r"printf '\377\376\000throttled=0x0'",
    "another answer before it": "echo error=1; echo throttled=0x0",
    "nothing": "exit 0",
    "killed": "kill -9 $$",
}


@pytest.mark.parametrize("script", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_firmware_is_unknown_not_healthy(lab: Lab, script: str) -> None:
    lab.script(script)
    (lab.root / ALARM).unlink()
    assert read_state(lab.root).throttled is None
    verdict, findings = lab.measures()
    assert codes(verdict) == SILENT
    assert findings == ()


def test_an_absent_vcgencmd_and_driver_are_unknown(lab: Lab) -> None:
    lab.removes_vcgencmd()
    put(lab.root, {"sys/class/hwmon/hwmon1/name": "rp1_adc\n"})
    verdict, _ = lab.measures()
    assert codes(verdict) == SILENT


def test_a_vcgencmd_that_may_not_be_executed_is_unknown(lab: Lab) -> None:
    (lab.commands / "vcgencmd").chmod(0o644)
    (lab.root / ALARM).unlink()
    verdict, _ = lab.measures()
    assert codes(verdict) == SILENT


@pytest.mark.parametrize("fails_after", [False, True])
def test_a_firmware_that_answers_only_once_is_unknown(lab: Lab, fails_after: bool) -> None:
    (lab.root / ALARM).unlink()
    if not fails_after:
        lab.script(_NO_PERMISSION)
    verdict, _ = lab.measures(between=lambda: lab.script(_NO_PERMISSION) if fails_after else lab.says("0x0"))
    assert codes(verdict) == SILENT


def test_a_firmware_that_answers_only_once_but_badly_is_invalid(lab: Lab) -> None:
    (lab.root / ALARM).unlink()
    lab.script(_NO_PERMISSION)
    verdict, _ = lab.measures(between=lambda: lab.says("0x50005"))
    assert codes(verdict) == THROTTLED


def test_a_quiet_driver_alone_does_not_vouch_for_the_time_in_between(lab: Lab) -> None:
    lab.script(_NO_PERMISSION)
    verdict, _ = lab.measures()
    assert codes(verdict) == SILENT
    assert "only under-voltage at the moment" in verdict.reasons[0].text


@pytest.mark.parametrize("when", ["before", "after", "both"])
def test_the_drivers_alarm_alone_is_invalid(lab: Lab, when: str) -> None:
    """The driver clears it within two seconds after the voltage is back: it is never about long ago."""
    lab.removes_vcgencmd()
    lab.alarms(when != "after")
    verdict, _ = lab.measures(between=lambda: lab.alarms(when != "before"))
    assert codes(verdict) == THROTTLED
    assert verdict.reasons[0].text == "the firmware reports: under-voltage"


def test_the_driver_is_not_asked_where_the_firmware_answers(lab: Lab) -> None:
    put(lab.root, {ALARM: "1\n"})
    verdict, _ = lab.measures()
    assert codes(verdict) == VALID


def test_no_cpufreq_is_an_unknown_frequency(lab: Lab) -> None:
    without_cpufreq(lab.root)
    verdict, _ = lab.measures()
    assert codes(verdict) == ("unknown", {"frequency-unknown": "unknown"})
    assert read_device(None, lab.root).frequency_max_khz is None


def test_neither_cpufreq_nor_firmware_is_unknown_twice(lab: Lab) -> None:
    without_cpufreq(lab.root)
    lab.removes_vcgencmd()
    (lab.root / ALARM).unlink()
    verdict, _ = lab.measures()
    assert codes(verdict) == ("unknown", {"frequency-unknown": "unknown", "throttling-unknown": "unknown"})


def test_a_frequency_that_moved_within_one_process_is_invalid(lab: Lab) -> None:
    low, _ = lab.board.khz
    verdict, _ = lab.measures(meanwhile=lambda: set_frequency(lab.root, low))
    assert codes(verdict) == ("invalid", {"frequency-moved": "invalid"})
    assert f"between {low // 1000} and" in verdict.reasons[0].text


def test_one_idle_core_does_not_make_the_frequency_move(lab: Lab) -> None:
    """With a policy for each core, the slow ones are those that have nothing to do."""
    slow = lab.root / "sys/devices/system/cpu/cpu3/cpufreq"

    def idle() -> None:
        slow.unlink()
        put(lab.root, {"sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": "600000\n"})

    verdict, _ = lab.measures(meanwhile=idle)
    assert codes(verdict) == VALID


def test_a_busy_board_is_invalid(lab: Lab) -> None:
    # three processes of 1 s on 4 cores: 12 CPU seconds, of which a tenth may go elsewhere
    assert codes(lab.measures(others_seconds=0.39)[0]) == VALID
    assert codes(lab.measures(others_seconds=0.41)[0]) == ("invalid", {"busy": "invalid"})


def test_everything_at_once_is_said_at_once(lab: Lab) -> None:
    lab.says("0x50005")
    verdict, _ = lab.measures(meanwhile=lambda: set_frequency(lab.root, lab.board.khz[0]), others_seconds=2.0)
    assert codes(verdict) == ("invalid", dict.fromkeys(["busy", "frequency-moved", "throttled"], "invalid"))


def test_a_vcgencmd_that_hangs_is_given_up_and_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = BOARDS["4B"]
    root = make_board(tmp_path / "root", board, hwmon_alarm=None)
    monkeypatch.setenv("PATH", str(fake_vcgencmd(tmp_path / "bin", "exec /bin/sleep 60")))
    started = time.monotonic()
    state: HostState = read_state(root)
    assert time.monotonic() - started < 30
    assert state.throttled is None
    window = Window(1.0, 0.0, 0.0, 0.0, 4, (board.khz[1],))
    evidence = Evidence("board", state, state, [window] * 3, {"defended": 700}, None)
    assert codes(judge(evidence)) == SILENT


def test_the_boards_are_not_all_alike() -> None:
    """A builder that gave every board the same files would make every test above pass four times for one."""
    facts = {name: (board.model, board.part, board.khz) for name, board in BOARDS.items()}
    assert len(set(facts.values())) == len(BOARDS)
    assert {board.core for board in BOARDS.values()} == {"Cortex-A53", "Cortex-A72", "Cortex-A76"}
    assert [name for name, board in BOARDS.items() if board.dot_product] == ["5"]
    for board in BOARDS.values():
        assert parse_cpuinfo(f"CPU implementer: 0x41\nCPU part: {board.part}\n").model == board.core
