"""Rows for 32-bit ARM: ARMv7-A with NEON and hard float, and the cores of small boards, which also run it on ARMv8.

All have 16 vector registers of 128 bits. NEON of ARMv7 takes denormal numbers for zero. Without VFPv4 there is no fused
multiply-add: a multiplication and an addition take its place in the code and in the numbers below. Sources, named in
the rows: [trm] Arm's "Technical Reference Manual" of the core, [llvm] LLVM's scheduling model of the core.
"""

from __future__ import annotations

from dataclasses import replace

from separable.targets.row import KIB, Target

_NEON = ("neon",)
_VFP4 = (*_NEON, "vfp4", "idiv")

# What LLVM takes for granted on an ARMv8 core and a 32-bit kernel does not tell of: switched off, so that `isa` is the
# whole truth about the code.
_NO_ARMV8 = ("-fp-armv8d16sp", "-crc", "-aes", "-sha2")

ARMV7 = Target(
    name="armv7",
    arch="armv7",
    os="linux",
    libc="glibc",
    triple="armv7a-linux-gnueabihf",
    zig_target="arm-linux-gnueabihf.2.17",
    cpu="generic",
    features=(),
    isa=_NEON,
    # One binary for all cores below, made for the small ones: pipes of 64 bits for arithmetic and for loads; the chain
    # of sums runs through the adder only, 4 cycles (Cortex-A9) [llvm]. The ratios decide the tile, not the numbers.
    vector_bits=128,
    vector_registers=16,
    fma_per_cycle=1,
    fma_latency=4,
    issue_per_cycle=2,
    loads_per_cycle=0.5,
    l1_bytes=32 * KIB,
    l2_bytes=128 * KIB,
    l3_bytes=0,
    l2_cores=4,
    ghz=0,  # no time can be estimated from ratios; nor for A7 and A9
    l2_bytes_per_cycle=8,
    l3_bytes_per_cycle=0,
    memory_gb_per_s=2,
    chip_gb_per_s=2.4,
    in_order=True,
    core_class="little",
)

CORTEX_A7 = replace(
    ARMV7,
    name="armv7:cortex-a7",
    cpu="cortex-a7",
    isa=_VFP4,
    # One 32-bit multiplier: a 128-bit vfma takes four cycles, during which the loads it needs find room. Counted here
    # as one per cycle with a free load, since only the ratio matters to a tile. 512 KiB of L2 for four cores [trm].
    loads_per_cycle=1,
)

CORTEX_A9 = replace(
    ARMV7,
    name="armv7:cortex-a9",
    cpu="cortex-a9",
    # NEON issues in order behind an out-of-order core; no VFPv4 [trm]. 512 KiB of L2 for two cores.
    l2_bytes=256 * KIB,
)

CORTEX_A53 = replace(
    ARMV7,
    name="armv7:cortex-a53",
    cpu="cortex-a53",
    features=_NO_ARMV8,
    isa=_VFP4,
    # The core of `arm64:cortex-a53` in its 32-bit state, as on boards with a 32-bit system.
    ghz=1.2,
)

CORTEX_A72 = replace(
    CORTEX_A53,
    name="armv7:cortex-a72",
    cpu="cortex-a72",
    # The core of `arm64:cortex-a72` in its 32-bit state.
    fma_latency=3,
    issue_per_cycle=3,
    loads_per_cycle=1,
    l2_bytes=256 * KIB,
    ghz=1.5,
    memory_gb_per_s=4.5,
    chip_gb_per_s=5.5,
    in_order=False,
    core_class="big",
)

ROWS = (ARMV7, CORTEX_A7, CORTEX_A9, CORTEX_A53, CORTEX_A72)

# Extensions that may be added to a row by +name: ISA name -> LLVM feature. They matter for the generic row.
FEATURES = {"vfp4": "+vfp4", "idiv": "+hwdiv-arm"}
