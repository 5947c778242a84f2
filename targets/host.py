"""The row of the machine this runs on, from what Linux says about its CPU."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

from separable.targets import arm, x86
from separable.targets.errors import UnsupportedHost
from separable.targets.row import KIB, MIB, Target

_CPUINFO = Path("/proc/cpuinfo")
_CPUS = Path("/sys/devices/system/cpu")

# Linux's name of an extension where it is not ours.
_ISA_NAMES = {
    "sse4_2": "sse42",
    "abm": "lzcnt",
    "avx512_vnni": "avx512vnni",
    "avx512_bf16": "avx512bf16",
    "avx512_vbmi2": "avx512vbmi2",
    "avx512_bitalg": "avx512bitalg",
    "avx512_vpopcntdq": "avx512vpopcntdq",
    "avx_vnni": "avxvnni",
    "atomics": "lse",
    "asimdrdm": "rdm",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "asimdfhm": "fhm",
    "lrcpc": "rcpc",
}

# "CPU part" of Arm's own cores (MIDR_EL1, implementer 0x41).
_ARM_PARTS = {
    0xD03: arm.CORTEX_A53,
    0xD05: arm.CORTEX_A55,
    0xD08: arm.CORTEX_A72,
    0xD09: arm.CORTEX_A73,
    0xD0B: arm.CORTEX_A76,
    0xD0C: arm.NEOVERSE_N1,
    0xD41: arm.CORTEX_A78,
    0xD44: arm.CORTEX_X1,
}

# Intel's cores with AVX-512 for clients lack the FMA unit of port 5: Ice Lake, Tiger Lake, Rocket Lake (family 6).
# Hypervisors give these numbers to servers too, which AMX tells apart.
_INTEL_ONE_FMA_512 = {0x7D, 0x7E, 0x8C, 0x8D, 0xA7}


def detect_host() -> Target:
    """The row ``native``: the best fitting row of the table with this machine's cache sizes.

    Raises:
        UnsupportedHost: no Linux, neither x86-64 nor arm64, or an x86-64 below x86-64-v2.
    """
    if platform.system() != "Linux":
        raise UnsupportedHost(f"target 'native' needs Linux, this is {platform.system()}; name a target instead")
    return host_row(platform.machine(), _CPUINFO.read_text(), _CPUS)


def host_row(machine: str, cpuinfo: str, cpus: Path) -> Target:
    """The row of a machine described by ``uname -m``, the text of /proc/cpuinfo and the folder of its CPUs in sysfs.

    Raises:
        UnsupportedHost: as :func:`detect_host`.
    """
    processors = [_fields(block) for block in cpuinfo.strip().split("\n\n")]
    if machine in ("x86_64", "amd64"):
        row, cpu = _x86_row(processors[0]), 0
    elif machine in ("aarch64", "arm64"):
        row, cpu = _arm_row(processors)
    else:
        raise UnsupportedHost(f"target 'native': no row fits a {machine!r} CPU; there are x86-64 and arm64")
    cache = _cache_bytes(cpus / f"cpu{cpu}")
    return replace(
        row,
        name="native",
        l1_bytes=cache.get("1", row.l1_bytes),
        l2_bytes=cache.get("2", row.l2_bytes),
        l3_bytes=cache.get("3", row.l3_bytes),
        l2_cores=_l2_cores(cpus / f"cpu{cpu}") if "2" in cache else row.l2_cores,
    )


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _isa(flags: str) -> set[str]:
    return {_ISA_NAMES.get(flag, flag) for flag in flags.split()}


def _x86_row(processor: dict[str, str]) -> Target:
    isa = _isa(processor.get("flags", ""))
    # A hypervisor may hide extensions of the core it names, so a row must also fit the flags.
    for row in (*_x86_cores(processor, isa), *reversed(x86.LEVELS)):
        if isa.issuperset(row.isa):
            return row
    missing = ", ".join(name for name in x86.X86_64_V2.isa if name not in isa)
    raise UnsupportedHost(f"target 'native': this CPU is below x86-64-v2, it lacks {missing}")


def _x86_cores(processor: dict[str, str], isa: set[str]) -> tuple[Target, ...]:
    """Rows that describe this core better than its level does, best first."""
    vendor = processor.get("vendor_id")
    family, model = int(processor.get("cpu family", "0")), int(processor.get("model", "0"))
    if vendor == "GenuineIntel" and family == 6 and model in _INTEL_ONE_FMA_512 and "amx_tile" not in isa:
        return (replace(x86.X86_64_V4, fma_per_cycle=1),)
    if vendor != "AuthenticAMD":
        return ()
    if family == 0x1A:
        mobile = 0x20 <= model < 0x40 or 0x60 <= model < 0x80
        zen5 = replace(x86.ZNVER5, fma_per_cycle=1, loads_per_cycle=1) if mobile else x86.ZNVER5
        return (zen5, x86.ZNVER4, x86.ZNVER3)
    if family == 0x19:
        zen4 = 0x10 <= model < 0x20 or 0x60 <= model < 0xB0
        return (x86.ZNVER4, x86.ZNVER3) if zen4 else (x86.ZNVER3,)
    if family == 0x17 and model >= 0x30:
        return (x86.ZNVER2,)
    return ()


def _arm_row(processors: list[dict[str, str]]) -> tuple[Target, int]:
    """The row of the biggest core, where threads are put first, and the number of one such CPU."""
    isa = _isa(processors[0].get("Features", ""))
    best, cpu = arm.ARM64, 0
    for processor in processors:
        if processor.get("CPU implementer") != "0x41":
            continue
        row = _ARM_PARTS.get(int(processor["CPU part"], 16), arm.ARM64)
        if isa.issuperset(row.isa) and arm.ROWS.index(row) > arm.ROWS.index(best):
            best, cpu = row, int(processor["processor"])
    if best is arm.ARM64:
        for name, feature in arm.FEATURES.items():
            best = best.with_feature(name, feature) if name in isa else best
    return best, cpu


def _cache_bytes(cpu: Path) -> dict[str, int]:
    """Bytes of the data caches by level, as far as sysfs knows them; L2 is shared out among the cores that have it."""
    sizes: dict[str, int] = {}
    for index in sorted(cpu.glob("cache/index*")):
        level, kind = (index / "level").read_text().strip(), (index / "type").read_text().strip()
        size = (index / "size").read_text().strip()
        if kind == "Instruction" or not size[:-1].isdigit():
            continue
        cores = _sharers(cpu, index) if level == "2" else 1
        sizes[level] = int(size[:-1]) * {"K": KIB, "M": MIB}[size[-1]] // cores
    return sizes


def _l2_cores(cpu: Path) -> int:
    """How many cores have an L2 together."""
    indices = [index for index in sorted(cpu.glob("cache/index*")) if (index / "level").read_text().strip() == "2"]
    return max((_sharers(cpu, index) for index in indices), default=1)


def _sharers(cpu: Path, cache: Path) -> int:
    threads_per_core = _count_cpus(cpu / "topology" / "thread_siblings_list")
    return max(1, _count_cpus(cache / "shared_cpu_list") // threads_per_core)


def _count_cpus(cpu_list: Path) -> int:
    """How many CPUs a list of sysfs such as ``0-3,8`` names; 1 where there is no such file."""
    if not cpu_list.exists():
        return 1
    ranges = [part.split("-") for part in cpu_list.read_text().strip().split(",")]
    return sum(int(bounds[-1]) - int(bounds[0]) + 1 for bounds in ranges)
