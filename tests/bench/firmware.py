"""A ``vcgencmd`` that says what a test wants."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["PI5_RAILS", "PI5_WATTS", "fake_vcgencmd"]

PI5_RAILS = """ 3V7_WL_SW_A current(0)=0.10052150A
   3V3_SYS_A current(1)=0.05465540A
  VDD_CORE_A current(7)=0.81240000A
      HDMI_A current(22)=0.01221000A
 3V7_WL_SW_V volt(8)=3.69937700V
   3V3_SYS_V volt(9)=3.30955300V
  VDD_CORE_V volt(15)=0.72028290V
      HDMI_V volt(23)=5.10580000V
     EXT5V_V volt(24)=5.10580000V
      BATT_V volt(25)=0.00000000V
"""
PI5_WATTS = 0.1005215 * 3.699377 + 0.0546554 * 3.309553 + 0.8124 * 0.7202829 + 0.01221 * 5.1058


def fake_vcgencmd(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, throttled: str = "throttled=0x0", rails: str = PI5_RAILS
) -> Path:
    """Put it before all else in ``PATH``, for this process and its workers; the directory that holds its answers.

    Its answers may be rewritten at any time: ``get_throttled`` and ``pmic_read_adc`` are files in that directory.
    """
    directory.mkdir(exist_ok=True)
    (directory / "get_throttled").write_text(f"{throttled}\n")
    (directory / "pmic_read_adc").write_text(rails)
    command = directory / "vcgencmd"
    command.write_text(f'#!/bin/sh\nexec cat "{directory}/$1"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory
