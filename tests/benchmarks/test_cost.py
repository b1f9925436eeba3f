"""The benchmarks of what defenses cost run, and say what they promise to say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cost.variants import CONTROLS, listed
from edgeguard.attacks.baselines.registry import PEERS

ROOT = Path(__file__).resolve().parents[2]
_NUMBER = r"\d+\.\d+"


def lines(script: str, *options: str) -> list[str]:
    """What a benchmark prints."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_each_defense_has_its_line(tmp_path: Path) -> None:
    """Also that what was measured once is read the second time, which gives the same figures."""
    found = lines("defense_cost.py", "--nets", "lenet", "--scratch", str(tmp_path))
    for line in found:
        assert re.fullmatch(rf"[A-Za-z+/0-9-]+ lenet {_NUMBER} {_NUMBER} {_NUMBER}", line)
        ratio, low, high = map(float, line.split()[2:])
        assert 0 < low <= ratio <= high
    assert [line.split()[0] for line in found] == [*CONTROLS.values(), *(name for name, _, _ in listed())]
    assert lines("defense_cost.py", "--nets", "lenet", "--scratch", str(tmp_path)) == found


def test_the_post_processor_has_a_line_for_each_head() -> None:
    found = lines("host_cost.py")
    for line in found:
        assert re.fullmatch(rf"[A-Za-z+/-]+ (float32|uint8) 10 1 {_NUMBER} {_NUMBER} {_NUMBER}", line)
    assert len(found) == 6


@pytest.mark.slow
@pytest.mark.reference
def test_every_peer_has_its_line(reference: Path) -> None:
    options = ("--nets", "lenet-fashion", "--reference", str(reference))
    found = [line.split(" | ") for line in lines("query_cost.py", *options)]
    names = {name for _, group, name, *_ in found if group == "torch"}
    assert names > set(PEERS)
    for _, _, name, ratio, low, high, *_ in found:
        assert 0 < float(low) <= float(ratio) <= float(high)
        assert (float(ratio) == 1) >= (name == "undefended")
