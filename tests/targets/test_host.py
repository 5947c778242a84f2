from __future__ import annotations

import platform
from pathlib import Path

import pytest

from separable.targets import arm, x86
from separable.targets.errors import UnsupportedHost
from separable.targets.host import detect_host, host_row
from separable.targets.row import KIB, MIB, Target

NOWHERE = Path("/nonexistent")

V2_FLAGS = "fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt"
V3_FLAGS = f"{V2_FLAGS} avx avx2 fma f16c bmi1 bmi2 abm movbe"
V4_FLAGS = f"{V3_FLAGS} avx512f avx512bw avx512cd avx512dq avx512vl"
ZEN4_FLAGS = (
    f"{V4_FLAGS} avx512_vnni avx512_bf16 avx512vbmi avx512_vbmi2 avx512ifma avx512_bitalg avx512_vpopcntdq gfni"
)
ZEN5_FLAGS = f"{ZEN4_FLAGS} avx_vnni avx512_vp2intersect"

A72_FEATURES = "fp asimd evtstrm crc32 cpuid"
A76_FEATURES = "fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


def x86_cpuinfo(vendor: str, family: int, model: int, flags: str) -> str:
    block = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nflags\t\t: {flags}\n"
    return f"{block}\n{block}"


def arm_cpuinfo(parts: list[int], features: str, implementer: int = 0x41) -> str:
    return "\n\n".join(
        f"processor\t: {number}\nFeatures\t: {features}\nCPU implementer\t: {implementer:#x}\nCPU part\t: {part:#x}"
        for number, part in enumerate(parts)
    )


def write_cpu(cpus: Path, number: int, caches: list[tuple[int, str, str, str]], siblings: str) -> None:
    cpu = cpus / f"cpu{number}"
    (cpu / "topology").mkdir(parents=True)
    (cpu / "topology" / "thread_siblings_list").write_text(f"{siblings}\n")
    for index, (level, kind, size, shared) in enumerate(caches):
        folder = cpu / "cache" / f"index{index}"
        folder.mkdir(parents=True)
        for name, text in (("level", str(level)), ("type", kind), ("size", size), ("shared_cpu_list", shared)):
            (folder / name).write_text(f"{text}\n")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no row for this machine")
def test_this_machine_has_a_row() -> None:
    row = detect_host()
    assert row.name == "native"
    assert row.l1_bytes >= 16 * KIB


@pytest.mark.parametrize(
    ("vendor", "family", "model", "flags", "cpu"),
    [
        ("AuthenticAMD", 0x1A, 0x02, ZEN5_FLAGS, "znver5"),
        ("AuthenticAMD", 0x19, 0x11, ZEN4_FLAGS, "znver4"),
        ("AuthenticAMD", 0x19, 0x01, V3_FLAGS, "znver3"),
        ("AuthenticAMD", 0x17, 0x31, V3_FLAGS, "znver2"),
        ("AuthenticAMD", 0x17, 0x01, V3_FLAGS, "x86-64-v3"),
        ("AuthenticAMD", 0x15, 0x02, V2_FLAGS, "x86-64-v2"),
        ("GenuineIntel", 6, 0x55, V4_FLAGS, "x86-64-v4"),
        ("GenuineIntel", 6, 0x3F, V3_FLAGS, "x86-64-v3"),
        ("GenuineIntel", 6, 0x2C, V2_FLAGS, "x86-64-v2"),
    ],
)
def test_x86_core_by_family_and_model(vendor: str, family: int, model: int, flags: str, cpu: str) -> None:
    row = host_row("x86_64", x86_cpuinfo(vendor, family, model, flags), NOWHERE)
    assert (row.name, row.cpu) == ("native", cpu)


@pytest.mark.parametrize(("flags", "units"), [(V4_FLAGS, 1), (f"{V4_FLAGS} amx_tile", 2)])
def test_a_server_under_the_number_of_a_client_core_has_both_fma_units(flags: str, units: int) -> None:
    row = host_row("x86_64", x86_cpuinfo("GenuineIntel", 6, 0xA7, flags), NOWHERE)
    assert (row.cpu, row.fma_per_cycle) == ("x86-64-v4", units)


@pytest.mark.parametrize(
    ("flags", "cpu"), [(ZEN4_FLAGS, "znver4"), (V4_FLAGS, "znver3"), (V3_FLAGS, "znver3"), (V2_FLAGS, "x86-64-v2")]
)
def test_extensions_that_a_hypervisor_hides_are_not_used(flags: str, cpu: str) -> None:
    assert host_row("x86_64", x86_cpuinfo("AuthenticAMD", 0x1A, 0x02, flags), NOWHERE).cpu == cpu


def test_half_rate_512_bit_units_are_known() -> None:
    mobile_zen5 = host_row("x86_64", x86_cpuinfo("AuthenticAMD", 0x1A, 0x24, ZEN5_FLAGS), NOWHERE)
    tiger_lake = host_row("x86_64", x86_cpuinfo("GenuineIntel", 6, 0x8C, V4_FLAGS), NOWHERE)
    assert (mobile_zen5.cpu, mobile_zen5.fma_per_cycle) == ("znver5", 1)
    assert (tiger_lake.cpu, tiger_lake.fma_per_cycle) == ("x86-64-v4", 1)


def test_an_x86_below_the_floor_is_an_error_that_says_what_is_missing() -> None:
    with pytest.raises(UnsupportedHost, match=r"below x86-64-v2, it lacks sse42, popcnt"):
        host_row("x86_64", x86_cpuinfo("GenuineIntel", 6, 0x0F, "fpu sse sse2 ssse3"), NOWHERE)


def test_another_arch_is_an_error() -> None:
    with pytest.raises(UnsupportedHost, match="riscv64"):
        host_row("riscv64", "processor\t: 0", NOWHERE)


def test_another_system_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(UnsupportedHost, match="Darwin"):
        detect_host()


@pytest.mark.parametrize(
    ("parts", "features", "expected"),
    [
        ([0xD08] * 4, A72_FEATURES, arm.CORTEX_A72),
        ([0xD0B] * 4, A76_FEATURES, arm.CORTEX_A76),
        ([0xD0C] * 2, A76_FEATURES, arm.NEOVERSE_N1),
        ([0xD05, 0xD05, 0xD41, 0xD44], A76_FEATURES, arm.CORTEX_X1),
        ([0xD0B], A72_FEATURES, arm.ARM64),
    ],
)
def test_arm_core_is_the_biggest_that_fits(parts: list[int], features: str, expected: Target) -> None:
    assert host_row("aarch64", arm_cpuinfo(parts, features), NOWHERE).cpu == expected.cpu


def test_an_unknown_arm_core_gets_the_generic_row_with_its_extensions() -> None:
    row = host_row("aarch64", arm_cpuinfo([0x22], A76_FEATURES, implementer=0x61), NOWHERE)
    assert (row.name, row.cpu) == ("native", "generic")
    assert row.isa == ("asimd", "crc32", "lse", "rdm", "rcpc", "dotprod", "fp16")
    assert row.features == ("+crc", "+lse", "+rdm", "+rcpc", "+dotprod", "+fullfp16")


def test_caches_come_from_sysfs_and_smt_threads_count_as_one_core(tmp_path: Path) -> None:
    caches = [
        (1, "Data", "48K", "0,2"),
        (1, "Instruction", "64K", "0,2"),
        (2, "Unified", "2048K", "0-3"),
        (3, "Unified", "32M", "0-7"),
    ]
    write_cpu(tmp_path, 0, caches, siblings="0,2")
    row = host_row("x86_64", x86_cpuinfo("AuthenticAMD", 0x19, 0x01, V3_FLAGS), tmp_path)
    assert (row.l1_bytes, row.l2_bytes, row.l3_bytes) == (48 * KIB, 1 * MIB, 32 * MIB)


def test_caches_are_those_of_the_chosen_core(tmp_path: Path) -> None:
    write_cpu(tmp_path, 0, [(1, "Data", "16K", "0")], siblings="0")
    write_cpu(tmp_path, 1, [(1, "Data", "64K", "1")], siblings="1")
    row = host_row("aarch64", arm_cpuinfo([0xD05, 0xD0B], A76_FEATURES), tmp_path)
    assert row.l1_bytes == 64 * KIB


def test_without_sysfs_the_table_has_the_caches() -> None:
    row = host_row("x86_64", x86_cpuinfo("AuthenticAMD", 0x19, 0x01, V3_FLAGS), NOWHERE)
    assert (row.l1_bytes, row.l2_bytes) == (x86.ZNVER3.l1_bytes, x86.ZNVER3.l2_bytes)
