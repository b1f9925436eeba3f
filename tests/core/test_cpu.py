"""The CPU behind a /proc/cpuinfo."""

from __future__ import annotations

from edgeguard.cpu import parse_cpuinfo, this_cpu
from tests.bench.machines import PI4_CPUINFO, PI5_CPUINFO, X86_CPUINFO, ZEN5_CPUINFO


def test_a_pi_4_has_no_dot_product() -> None:
    cpu = parse_cpuinfo(PI4_CPUINFO)
    assert (cpu.model, cpu.part, cpu.dot_product) == ("Cortex-A72", "0x41:0xd08", False)
    assert cpu.features == ("asimd",)


def test_a_pi_5_has() -> None:
    cpu = parse_cpuinfo(PI5_CPUINFO)
    assert (cpu.model, cpu.part, cpu.dot_product) == ("Cortex-A76", "0x41:0xd0b", True)
    assert cpu.features == ("asimd", "asimddp", "asimdhp")


def test_x86_without_and_with_vnni() -> None:
    old, new = parse_cpuinfo(X86_CPUINFO), parse_cpuinfo(ZEN5_CPUINFO)
    assert (old.model, old.part, old.dot_product) == ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", None, False)
    assert new.dot_product is True
    assert new.features == ("sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni")


def test_a_feature_of_the_other_family_does_not_count() -> None:
    assert parse_cpuinfo(X86_CPUINFO.replace("avx2", "asimddp")).dot_product is False


def test_what_is_not_said_is_unknown() -> None:
    assert parse_cpuinfo("processor: 0\n").dot_product is None
    assert parse_cpuinfo("").model is None


def test_an_unknown_arm_core_keeps_its_number() -> None:
    cpu = parse_cpuinfo(PI5_CPUINFO.replace("0xd0b", "0xfff"))
    assert (cpu.model, cpu.part) == (None, "0x41:0xfff")


def test_this_machine_is_a_known_one() -> None:
    """The tests run on 64-bit x86 and Arm under Linux, either of which tells its features."""
    assert this_cpu().dot_product is not None
