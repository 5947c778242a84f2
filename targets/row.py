"""The data of one target: what code is generated for, and the numbers every default schedule is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

KIB = 1024
MIB = 1024 * KIB

Arch = Literal["x86_64", "aarch64", "armv7"]
Libc = Literal["glibc", "musl", "bionic"]
_BITS = {"float32": 32, "float16": 16}

CoreClass = Literal["little", "big", "server"]


@dataclass(frozen=True)
class Target:
    """One CPU (or one level of an instruction set) that libraries are compiled for.

    Attributes:
        name: short name, as the user types it: ``x86-64-v3``, ``arm64:cortex-a76``, ``native``.
        arch: instruction set.
        os: operating system.
        libc: the C library that a compiled library is linked with.
        triple: LLVM target triple.
        zig_target: the same for ``zig cc``, with the oldest glibc the library shall load on; Android's has no libc, see
            ``compiler/emit/android.py``.
        cpu: LLVM ``mcpu``; selects instructions and LLVM's scheduling model.
        features: LLVM ``mattr`` entries on top of ``cpu``: ``+name`` or ``-name``.
        llvm_options: options of LLVM's code generator, as its command line takes them.
        isa: names of the instruction-set extensions the library may use, checked when a model is created
            (the names of ``runtime/isa_bits.h``).
        vector_bits: width in bits of the vectors that kernels are written for.
        vector_registers: architectural vector registers of that width.
        fma_per_cycle: vector multiply-accumulates of ``vector_bits`` that one core starts per cycle.
        fma_latency: cycles from one multiply-accumulate to the next that adds to the same register, with the
            forwarding of accumulators that Arm cores have; ``fma_per_cycle * fma_latency`` independent
            accumulators keep the units busy.
        issue_per_cycle: instructions that one core starts per cycle.
        loads_per_cycle: vector loads of ``vector_bits`` from L1 per cycle; 0.5 is one every second cycle.
        l1_bytes: L1 data cache of one core.
        l2_bytes: L2 one core can count on: its private L2, or its share of the cluster's.
        l3_bytes: last-level cache that the cores share; 0 where L2 is the last.
        l2_cores: cores that share that L2, each counting on its part; one thread alone has all of it.
        ghz: clock under load in 10^9 cycles per second, of the chip that the row names; 0 where the rates above are
            true among themselves only, so that no time can be estimated.
        l2_bytes_per_cycle: what a core reads from L2, one line after the other, per cycle.
        l3_bytes_per_cycle: the same from L3; 0 where there is none.
        memory_gb_per_s: what one core copies from and to memory, 10^9 bytes per second, both ways counted.
        chip_gb_per_s: the same of all cores together.
        in_order: whether instructions start in program order, so that loads must be placed well ahead of their use.
        half_loads: where loads of whole vectors stop a core in program order, how those of half a vector start: beside
            a multiply-add, or apart from one; empty: whole vectors are loaded.
        core_class: what the core is built for: the small and the big cores of a phone, or a server/desktop.
        panel_channels: output channels that lie together in the packed weights of convolutions: what the variants of
            one library agree on, so that each weight is stored once; 0: as many as suit the kernel.
        element_bits: width of the values in a vector: 32, or what :meth:`for_vectors` was asked for.
        emulates_fp16: whether float16 arithmetic is computed in float32 and rounded after each operation, for want of
            an instruction: for the study of its errors, see ``targets/emulation.py``.
    """

    name: str
    arch: Arch
    os: Literal["linux", "android"]
    libc: Libc
    triple: str
    zig_target: str
    cpu: str
    features: tuple[str, ...]
    isa: tuple[str, ...]
    vector_bits: int
    vector_registers: int
    fma_per_cycle: int
    fma_latency: int
    issue_per_cycle: int
    loads_per_cycle: float
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int
    l2_cores: int
    ghz: float
    l2_bytes_per_cycle: float
    l3_bytes_per_cycle: float
    memory_gb_per_s: float
    chip_gb_per_s: float
    in_order: bool
    core_class: CoreClass
    half_loads: Literal["", "apart", "beside"] = ""
    panel_channels: int = 0
    llvm_options: tuple[str, ...] = ()
    element_bits: int = 32
    emulates_fp16: bool = False

    def with_feature(self, isa_name: str, llvm_feature: str) -> Target:
        """This row with one more extension, named after it; itself where it has the extension already."""
        if isa_name in self.isa:
            return self
        return replace(
            self,
            name=f"{self.name}+{isa_name}",
            features=(*self.features, llvm_feature),
            isa=(*self.isa, isa_name),
        )

    @property
    def lanes(self) -> int:
        """Number of values in one vector: float32 ones, unless :meth:`for_vectors` was asked for others."""
        return self.vector_bits // self.element_bits

    @property
    def fp16_arithmetic(self) -> bool:
        """Whether vectors of float16 are multiplied and added as they are (``emulates_fp16``: as if they were)."""
        return self.emulates_fp16 or (self.arch == "aarch64" and "fp16" in self.isa)

    def for_vectors(self, dtype: str, lanes: int | None = None) -> Target:
        """This row as a kernel sees it whose vectors have ``lanes`` values of a dtype, by default as many as fit.

        A vector that takes several registers leaves fewer of them, and each of its instructions is as many.
        """
        bits = _BITS[dtype]
        parts = max(1, (lanes or 1) * bits // self.vector_bits)
        return replace(
            self,
            element_bits=bits,
            vector_bits=self.vector_bits * parts,
            vector_registers=self.vector_registers // parts,
            fma_per_cycle=max(1, self.fma_per_cycle // parts),
            loads_per_cycle=self.loads_per_cycle / parts,
        )

    @property
    def panel_vectors(self) -> int:
        """``panel_channels`` in vectors."""
        return self.panel_channels // self.lanes

    @property
    def lane_operands(self) -> bool:
        """Whether a multiply-accumulate takes a factor from any lane of a vector: ``lanes`` scalars are one load."""
        return self.arch == "aarch64"

    @property
    def flops_per_cycle(self) -> int:
        """Peak operations of one core per cycle on values as in ``lanes``; a multiply-accumulate counts as two."""
        return 2 * self.lanes * self.fma_per_cycle

    @property
    def tvm(self) -> Mapping[str, str | list[str]]:
        """The configuration that ``tvm.target.Target`` takes."""
        config: dict[str, str | list[str]] = {"kind": "llvm", "mtriple": self.triple, "mcpu": self.cpu}
        if self.features:
            config["mattr"] = list(self.features)
        if self.arch == "armv7":
            config["mfloat-abi"] = "hard"  # TVM takes it from here only, whatever the triple says
        if self.llvm_options:
            config["cl-opt"] = list(self.llvm_options)
        return config
