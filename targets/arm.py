"""Rows for arm64: generic ARMv8.0-A and the cores of phones, boards and servers.

All have 32 vector registers of 128 bits. Sources, named in the rows: [sog] Arm's "Software Optimization Guide" of the
core, [trm] its "Technical Reference Manual", [llvm] LLVM's scheduling model of the core, [ncnn] ncnn's note
"arm-a53-a55-dual-issue". Arm lets the licensee choose cache sizes: the rows hold a common choice, the smaller one
where two are common, and name a chip that has it. Clock and memory are those of that chip and serve estimates only:
memory is what copies reach, read and written bytes both counted, two thirds of the nominal rate where nobody measured.
Arm publishes no rates of L2 and L3; the rows hold half of the width of the bus, in which all measurements of such
cores agree to a factor of 1.5. [stream] is the benchmark STREAM, copy.
"""

from __future__ import annotations

from dataclasses import replace

from separable.targets.row import KIB, MIB, Target

_V8_0 = ("asimd",)
_V8_2 = (*_V8_0, "crc32", "lse", "rdm", "rcpc", "dotprod", "fp16")

# LLVM takes the cryptographic extension for granted, but chips without it exist (Raspberry Pi 3 and 4). CRC32 is an
# option of Armv8.0, too, and of no use to a kernel.
_NO_CRYPTO = ("-aes", "-sha2")
_V8_0_ONLY = (*_NO_CRYPTO, "-crc")

ARM64 = Target(
    name="arm64:generic",
    arch="aarch64",
    os="linux",
    libc="glibc",
    triple="aarch64-linux-gnu",
    zig_target="aarch64-linux-gnu.2.17",
    cpu="generic",
    features=(),
    isa=_V8_0,
    # One binary for all cores below: the accumulators that a big core needs (they do not hurt a small one) and the
    # load ports, caches and issue order of a small one.
    vector_bits=128,
    vector_registers=32,
    fma_per_cycle=2,
    fma_latency=4,
    issue_per_cycle=2,
    loads_per_cycle=0.5,
    l1_bytes=32 * KIB,
    l2_bytes=128 * KIB,
    l3_bytes=0,
    l2_cores=4,
    ghz=0,  # no time can be estimated for cores of all kinds at once
    l2_bytes_per_cycle=8,
    l3_bytes_per_cycle=0,
    memory_gb_per_s=2,
    chip_gb_per_s=2.4,
    in_order=True,
    core_class="little",
)

CORTEX_A53 = replace(
    ARM64,
    name="arm64:cortex-a53",
    cpu="cortex-a53",
    features=_V8_0_ONLY,
    # Two 64-bit pipes: one 128-bit FMLA per cycle, its product reaches the accumulator after 4 cycles; a 128-bit load
    # takes the load pipe for two [ncnn, llvm]. 512 KiB of L2 for four cores (Raspberry Pi 3:
    # 1.2 GHz, 32 bits of LPDDR2-900, 3.6 GB/s nominal). A load of 64 bits takes a cycle without a multiply-add [ncnn].
    fma_per_cycle=1,
    half_loads="apart",
    ghz=1.2,
)

CORTEX_A55 = replace(
    CORTEX_A53,
    name="arm64:cortex-a55",
    cpu="cortex-a55",
    features=_NO_CRYPTO,
    isa=_V8_2,
    half_loads="beside",
    # FMLA Q-form: one per cycle, latency 4; loads of 64 bits per cycle [sog, llvm], beside it [ncnn]. 128 KiB of L2, 1
    # MiB of L3 (Snapdragon 845: 1.8 GHz; the bus is wide enough for the big cores, a small one fills a quarter of it).
    l3_bytes=1 * MIB,
    l2_cores=1,
    ghz=1.8,
    l3_bytes_per_cycle=6,
    memory_gb_per_s=5,
    chip_gb_per_s=16,
)

CORTEX_A72 = replace(
    CORTEX_A53,
    name="arm64:cortex-a72",
    cpu="cortex-a72",
    # FMLA 7 cycles, 3 through the accumulator; two 64-bit pipes, thus one 128-bit FMLA per cycle; one load pipe [sog].
    # 1 MiB of L2 for four cores (Raspberry Pi 4: 1.5 GHz, 5.5 GB/s [stream]). Three instructions per cycle [sog].
    fma_latency=3,
    issue_per_cycle=3,
    loads_per_cycle=1,
    half_loads="",
    ghz=1.5,
    memory_gb_per_s=4.5,
    chip_gb_per_s=5.5,
    l2_bytes=256 * KIB,
    in_order=False,
    core_class="big",
)

CORTEX_A73 = replace(
    CORTEX_A72,
    name="arm64:cortex-a73",
    cpu="cortex-a73",
    # Two 64-bit pipes as on A72. Arm publishes no latencies of this core: 4 is that of A57, whose model LLVM uses for
    # it [llvm]. 2 MiB of L2 for four cores (Kirin 970: 2.36 GHz, 64 bits of LPDDR4X-3733, 29.9 GB/s nominal). Decodes
    # two instructions per cycle.
    fma_latency=4,
    issue_per_cycle=2,
    l2_bytes=512 * KIB,
    ghz=2.36,
    memory_gb_per_s=9,
    chip_gb_per_s=18,
)

CORTEX_A76 = replace(
    CORTEX_A72,
    name="arm64:cortex-a76",
    cpu="cortex-a76",
    features=_NO_CRYPTO,
    isa=_V8_2,
    # Two 128-bit pipes, FMLA 4 cycles, 2 through the accumulator; two 128-bit loads [sog]; 64 KiB L1 [trm]. 256 KiB of
    # private L2, 2 MiB of L3 (Snapdragon 855: 2.42 GHz, 34.1 GB/s nominal). Four instructions per cycle [sog].
    fma_per_cycle=2,
    fma_latency=2,
    issue_per_cycle=4,
    loads_per_cycle=2,
    l1_bytes=64 * KIB,
    l3_bytes=2 * MIB,
    l2_cores=1,
    ghz=2.42,
    l2_bytes_per_cycle=16,
    l3_bytes_per_cycle=10,
    memory_gb_per_s=16,
    chip_gb_per_s=22,
)

CORTEX_A78 = replace(
    CORTEX_A76,
    name="arm64:cortex-a78",
    cpu="cortex-a78",
    # As A76 [sog], but L1 may have 32 KiB [trm]. 4 MiB of L3 (Snapdragon 888). The third load port is left out: two
    # loads already feed two FMLA. 51.2 GB/s of memory nominal.
    l1_bytes=32 * KIB,
    l3_bytes=4 * MIB,
    memory_gb_per_s=18,
    chip_gb_per_s=32,
)

CORTEX_X1 = replace(
    CORTEX_A76,
    name="arm64:cortex-x1",
    cpu="cortex-x1",
    # Four 128-bit pipes of A78's latencies, three loads [sog]. 1 MiB of private L2, 4 MiB of L3 (Snapdragon 888:
    # 2.84 GHz, 51.2 GB/s nominal). Decodes five instructions per cycle [sog].
    fma_per_cycle=4,
    issue_per_cycle=5,
    loads_per_cycle=3,
    l2_bytes=1 * MIB,
    l3_bytes=4 * MIB,
    ghz=2.84,
    l2_bytes_per_cycle=32,
    l3_bytes_per_cycle=16,
    memory_gb_per_s=24,
    chip_gb_per_s=32,
)

NEOVERSE_N1 = replace(
    CORTEX_A76,
    name="arm64:neoverse-n1",
    cpu="neoverse-n1",
    # A76's pipes [sog]; 1 MiB of private L2, 32 MiB of system cache (Graviton 2, Altra).
    # Graviton 2: 2.5 GHz, eight channels of DDR4-3200.
    l2_bytes=1 * MIB,
    l3_bytes=32 * MIB,
    ghz=2.5,
    chip_gb_per_s=140,
    core_class="server",
)

ROWS = (
    ARM64,
    CORTEX_A53,
    CORTEX_A55,
    CORTEX_A72,
    CORTEX_A73,
    CORTEX_A76,
    CORTEX_A78,
    CORTEX_X1,
    NEOVERSE_N1,
)

# Extensions that may be added to a row by +name: ISA name -> LLVM feature. They matter for the generic row.
FEATURES = {
    "crc32": "+crc",
    "lse": "+lse",
    "rdm": "+rdm",
    "rcpc": "+rcpc",
    "dotprod": "+dotprod",
    "fp16": "+fullfp16",
    "fhm": "+fp16fml",
    "bf16": "+bf16",
    "i8mm": "+i8mm",
}
