"""Is a device fit for edgeguard, and what helps if not? Facts come from the device, judgement is made here."""

from edgeguard.fleet.doctor.asking import ask_before_deploy, ask_device, ask_here
from edgeguard.fleet.doctor.diagnosis import Diagnosis, diagnose, diagnose_before_deploy
from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line

__all__ = [
    "Diagnosis",
    "Facts",
    "Line",
    "ask_before_deploy",
    "ask_device",
    "ask_here",
    "diagnose",
    "diagnose_before_deploy",
]
