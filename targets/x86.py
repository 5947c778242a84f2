"""Rows for x86-64: the levels of the System V ABI (v2, v3, v4) and AMD's cores since Zen 2.

The numbers of a level are those of the first core that had it, so that code for the level is right for the oldest
machine it runs on and no worse on later ones. Sources, named in the rows: [uops] uops.info, [fog] Agner Fog's
"Instruction tables" and "The microarchitecture of Intel, AMD and VIA CPUs", [intel] Intel's "64 and IA-32
Architectures Optimization Reference Manual", [amd] AMD's "Software Optimization Guide" of the family. Instructions per
cycle are those of the narrowest stage, mostly renaming [fog]. Clocks and bandwidths serve estimates only: the clock is
the all-core turbo of the chip in brackets. Where a source gives a width, that of a path is the peak; what is found in
measurements, two thirds to all of it, is not known of every core. Memory is what copies reach of its nominal rate.
"""

from __future__ import annotations

from dataclasses import replace

from separable.targets.row import KIB, MIB, Target

# The names of each level's extensions; v1 is the x86-64 of 2003, which every CPU has.
_V2 = ("sse42", "popcnt")
_V3 = (*_V2, "avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "lzcnt", "movbe")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")

_ZEN4 = (
    *_V4,
    "avx512vnni",
    "avx512bf16",
    "avx512vbmi",
    "avx512vbmi2",
    "avx512ifma",
    "avx512bitalg",
    "avx512vpopcntdq",
    "gfni",
)

# What LLVM's names of Zen cores promise besides and no library is checked for: switched off, so that `isa` is the
# whole truth about the code.
_ZEN2_OFF = ("-sse4a", "-aes", "-pclmul", "-sha")
_ZEN3_OFF = (*_ZEN2_OFF, "-vaes", "-vpclmulqdq")

X86_64_V2 = Target(
    name="x86-64-v2",
    arch="x86_64",
    os="linux",
    libc="glibc",
    triple="x86_64-linux-gnu",
    zig_target="x86_64-linux-gnu.2.17",
    cpu="x86-64-v2",
    features=(),
    isa=_V2,
    # Nehalem (Xeon X5570: 2.9 GHz, three channels of DDR3-1066). One mulps and one addps start per cycle and stand for
    # one FMA; the chain runs through addps only [fog].
    vector_bits=128,
    vector_registers=16,
    fma_per_cycle=1,
    fma_latency=3,
    issue_per_cycle=4,
    loads_per_cycle=1,
    l1_bytes=32 * KIB,
    l2_bytes=256 * KIB,
    l3_bytes=8 * MIB,
    l2_cores=1,
    ghz=2.9,
    l2_bytes_per_cycle=16,
    l3_bytes_per_cycle=8,
    memory_gb_per_s=10,
    chip_gb_per_s=20,
    in_order=False,
    core_class="server",
)

X86_64_V3 = replace(
    X86_64_V2,
    name="x86-64-v3",
    cpu="x86-64-v3",
    isa=_V3,
    # Haswell: FMA on ports 0 and 1, latency 5, two 256-bit loads [uops]; caches [intel]. Core i7-4770: 3.7 GHz, two
    # channels of DDR3-1600; L2 has 64 bytes per cycle, half of it lasts.
    vector_bits=256,
    fma_per_cycle=2,
    fma_latency=5,
    loads_per_cycle=2,
    ghz=3.7,
    l2_bytes_per_cycle=32,
    l3_bytes_per_cycle=16,
    memory_gb_per_s=16,
    chip_gb_per_s=20,
)

X86_64_V4 = replace(
    X86_64_V3,
    name="x86-64-v4",
    cpu="x86-64-v4",
    # LLVM prefers 256 bits here because a few 512-bit instructions would lower the clock of a Skylake server for all
    # that follows. A convolution is nothing but such instructions: twice the work at no less than 70 % of the clock.
    features=("-prefer-256-bit",),
    isa=_V4,
    # Skylake server: 512-bit FMA on the fused ports 0+1 and on port 5, latency 4, two 512-bit loads [uops];
    # 1 MiB L2 per core, 48 bytes per cycle sustained, 1.375 MiB of L3 per core: eight cores [intel]. Xeon Silver 4110
    # and its kin: 2.4 GHz with 512 bits, six channels of DDR4-2400.
    vector_bits=512,
    vector_registers=32,
    fma_latency=4,
    l2_bytes=1 * MIB,
    l3_bytes=11 * MIB,
    ghz=2.4,
    l2_bytes_per_cycle=48,
    l3_bytes_per_cycle=12,
    memory_gb_per_s=13,
    chip_gb_per_s=80,
)

ZNVER2 = replace(
    X86_64_V3,
    name="x86-64:znver2",
    cpu="znver2",
    features=_ZEN2_OFF,
    # FMA on pipes 0 and 1, latency 5, two 256-bit loads [uops]; 16 MiB of L3 per four cores; six macro-ops,
    # and 32 bytes from L2 and from L3 per cycle [amd, family 17h], of which L3 keeps up 24. EPYC 7002: 3.3 GHz, eight
    # channels of DDR4-3200.
    l2_bytes=512 * KIB,
    l3_bytes=16 * MIB,
    issue_per_cycle=6,
    ghz=3.3,
    l2_bytes_per_cycle=32,
    l3_bytes_per_cycle=24,
    memory_gb_per_s=20,
    chip_gb_per_s=140,
)

ZNVER3 = replace(
    ZNVER2,
    name="x86-64:znver3",
    cpu="znver3",
    features=_ZEN3_OFF,
    # Latency 4; three loads per cycle, but only two of 256 bits [uops]; 32 MiB of L3 per eight cores [amd, family 19h].
    # EPYC 7003: 3.5 GHz.
    fma_latency=4,
    l3_bytes=32 * MIB,
    ghz=3.5,
)

ZNVER4 = replace(
    X86_64_V4,
    name="x86-64:znver4",
    cpu="znver4",
    features=_ZEN3_OFF,
    isa=_ZEN4,
    # LLVM's model of this core lets the scheduler hoist loads until 14 x 2 sums no longer fit the 32 registers: a loop
    # of 448 FMAs gets 454 spills. Without the model it looks at the registers.
    llvm_options=("-schedmodel=false",),
    # A 512-bit FMA occupies a 256-bit pipe for two cycles, a 512-bit load both load ports [uops]. The peak is that of
    # 256 bits with half the instructions and twice the registers, hence still vectors of 512 bits. EPYC 9004: 3.7 GHz,
    # twelve channels of DDR5-4800; the classifier of MobileNet reads 26 bytes per cycle from L3 (docs/estimate.md).
    fma_per_cycle=1,
    issue_per_cycle=6,
    loads_per_cycle=1,
    l3_bytes=32 * MIB,
    ghz=3.7,
    l2_bytes_per_cycle=32,
    l3_bytes_per_cycle=24,
    memory_gb_per_s=24,
    chip_gb_per_s=300,
)

ZNVER5 = replace(
    ZNVER4,
    name="x86-64:znver5",
    cpu="znver5",
    features=(*_ZEN3_OFF, "-avx512vp2intersect"),
    isa=(*_ZEN4, "avxvnni"),
    # Servers and desktops: two full 512-bit FMA pipes and two 512-bit loads [uops; amd, family 1Ah], eight macro-ops
    # and 64 bytes from L2 per cycle [amd]. EPYC 9005: 4.0 GHz.
    fma_per_cycle=2,
    issue_per_cycle=8,
    loads_per_cycle=2,
    l1_bytes=48 * KIB,
    ghz=4.0,
    l2_bytes_per_cycle=64,
    l3_bytes_per_cycle=32,
    memory_gb_per_s=30,
    chip_gb_per_s=400,
)

LEVELS = (X86_64_V2, X86_64_V3, X86_64_V4)
ROWS = (*LEVELS, ZNVER2, ZNVER3, ZNVER4, ZNVER5)

# Extensions that may be added to a row by +name: ISA name -> LLVM feature. The levels hold the rest.
FEATURES = {"avx512vnni": "+avx512vnni", "avxvnni": "+avxvnni"}
