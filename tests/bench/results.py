"""A result made up by hand, for tests that need one without measuring."""

from __future__ import annotations

from edgeguard.bench.demand_messages import Moment, Node
from edgeguard.bench.demanded import Energy, Profile, Weighed, sustained_figures
from edgeguard.bench.device_facts import DeviceFacts
from edgeguard.bench.host_state import HostState
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Block, ColdAnswer, Window
from edgeguard.bench.result import ArtifactFacts, Cold, Counted, CountRatio, Counts, Latency, Process, Ratio, Result
from edgeguard.bench.settings import Settings, make_plan
from edgeguard.bench.throttled import Throttled
from edgeguard.bench.variants import Skipped, Variant
from edgeguard.bench.verdict import Reason, Verdict
from edgeguard.cpu import CpuFacts

__all__ = ["made_up_result"]


def made_up_result() -> Result:
    """A Pi 4 that measured two variants in one process, badly."""
    throttled = Throttled("vcgencmd", "0x50000", (), ("throttled",))
    state = HostState(("ondemand",), (600000,), throttled, 61.5, 0.5, 9, 0, {})
    cpu = CpuFacts("Cortex-A72", "0x41:0xd08", ("asimd",), False)
    interval = Interval(1.2, 1.1, 1.3, 0.95)
    block = Block(("defended", "float"), {"defended": (1200000, 1300000), "float": (1000000, 1100000)})
    moments = [
        Moment(1.0, 800, 1_200_000, 1_900_000, 1_800_000, 61.5, ()),
        Moment(2.0, 500, 1_800_000, 2_900_000, 1_000_000, 84.0, ("throttled",)),
    ]
    return Result(
        device_kind="board",
        kind_evidence="the device tree says so",
        started="2026-01-01T00:00:00+00:00",
        seconds=12.5,
        artifact=ArtifactFacts("m.edgeguard", "a" * 64, "b" * 64, "rpi4", "dcp", 1, "graph", (3, 32, 32), 1),
        tools={"onnxruntime": "1.32.0"},
        plan=make_plan(Settings(processes=1, blocks=1, runs=2), {"defended": 1.2, "float": 1.0}),
        device=DeviceFacts("Pi 4", "aarch64", "6.12", None, cpu, None, 4, (0, 1, 2, 3), 600000, 1800000, 4, 0, False),
        before=state,
        after=state,
        variants=(
            Variant("float", "model", "float.onnx", "c" * 64),
            Variant("defended", "model", "model.onnx", "b" * 64),
        ),
        skipped=(Skipped("int8", "the artifact was not quantized"),),
        cold=(Cold("defended", (ColdAnswer(20000000, 3000000, (1250000,), 61000, 62000),)),),
        latency=(Latency("float", 2, None, None, None), Latency("defended", 2, 1300000, None, None)),
        ratios=(Ratio("defended/float", "defended", "float", interval), Ratio("x/y", "x", "y", None)),
        verdict=Verdict("invalid", (Reason("few-processes", "1 process", "invalid"),)),
        findings=("A sentence.",),
        counts=Counts(
            (Counted("float", (110, 111), (), 100, None), Counted("defended", (121, 121), (90, 91), 111, 80)),
            (CountRatio("defended/float", "defended", "float", 1.11),),
            {"instructions": 10},
        ),
        not_counted={"cycles": "no such counter"},
        sustained=sustained_figures("defended", moments),
        profiles=(Profile("defended", (Node("a", "Conv", 12.0, 0.75), Node("b", "Mul", 4.0, 0.25))),),
        energy=Energy((2.5, 2.7), (Weighed("defended", 4000, 8.0, (4.5, 4.7), 0.0092, 0.004),)),
        processes=(Process(("float", "defended"), (block,), Window(1.0, 0.0, 0.0, None, 4, (1800000, 1800000))),),
    )
