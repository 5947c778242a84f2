from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from separable.targets.arm import ARM64, CORTEX_A76
from separable.targets.armv7 import CORTEX_A9
from separable.targets.row import Target
from separable.targets.table import all_targets
from separable.targets.x86 import X86_64_V3, ZNVER5

ISA_BITS = Path(__file__).parents[2] / "runtime" / "isa_bits.h"

# LLVM's names of extensions where they are not ours.
LLVM_NAMES = {"sse42": "sse4.2", "bmi1": "bmi", "asimd": "neon", "crc32": "crc", "fp16": "fullfp16", "fhm": "fp16fml"}
LLVM_NAMES |= {"idiv": "hwdiv-arm"}
# Instructions of the kernel and of cache maintenance, which no code generator emits unasked.
NOT_EMITTED = {"dcpop", "ssbs"}


def isa_bits() -> dict[str, int]:
    entries = re.findall(r"^SEPARABLE_ISA\((\d+), (\w+),", ISA_BITS.read_text(), re.MULTILINE)
    return {name: int(bit) for bit, name in entries}


def arch_of(bit: int) -> str:
    return "x86_64" if bit < 32 else "aarch64" if bit < 56 else "armv7"


def test_peak_counts_a_multiply_accumulate_twice() -> None:
    assert (X86_64_V3.lanes, X86_64_V3.flops_per_cycle) == (8, 32)
    assert (ZNVER5.lanes, ZNVER5.flops_per_cycle) == (16, 64)
    assert (CORTEX_A76.lanes, CORTEX_A76.flops_per_cycle) == (4, 16)


def test_a_register_holds_twice_as_many_values_of_float16() -> None:
    half = CORTEX_A76.for_vectors("float16")
    assert (half.lanes, half.vector_registers, half.flops_per_cycle) == (8, 32, 32)
    assert CORTEX_A76.for_vectors("float16", 8) == half
    assert CORTEX_A76.for_vectors("float32", 4) == CORTEX_A76.for_vectors("float32")


def test_a_vector_in_two_registers_leaves_half_of_them() -> None:
    wide = CORTEX_A76.for_vectors("float32", 8)
    assert (wide.lanes, wide.vector_registers) == (8, 16)
    assert (wide.fma_per_cycle, wide.loads_per_cycle) == (
        max(1, CORTEX_A76.fma_per_cycle // 2),
        CORTEX_A76.loads_per_cycle / 2,
    )
    assert wide.flops_per_cycle == CORTEX_A76.flops_per_cycle


@pytest.mark.parametrize("row", all_targets(), ids=lambda row: row.name)
def test_float16_is_computed_where_arm64_has_it(row: Target) -> None:
    assert row.fp16_arithmetic == ("fp16" in row.isa)


def test_tvm_configuration_names_features_only_where_there_are_some() -> None:
    assert ARM64.tvm == {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "generic"}
    assert CORTEX_A9.tvm == {
        "kind": "llvm",
        "mtriple": "armv7a-linux-gnueabihf",
        "mcpu": "cortex-a9",
        "mfloat-abi": "hard",  # without it, floats go to libm in integer registers
    }
    assert CORTEX_A76.tvm["mattr"] == ["-aes", "-sha2"]


def test_a_feature_the_row_has_changes_nothing() -> None:
    assert CORTEX_A76.with_feature("dotprod", "+dotprod") is CORTEX_A76


def test_an_added_feature_is_named_compiled_for_and_guarded() -> None:
    row = ARM64.with_feature("fp16", "+fullfp16")
    assert (row.name, row.features, row.isa) == ("arm64:generic+fp16", ("+fullfp16",), ("asimd", "fp16"))


@pytest.mark.parametrize("row", all_targets(), ids=lambda row: row.name)
def test_isa_names_have_a_guard_bit_of_their_arch(row: Target) -> None:
    bits = isa_bits()
    assert set(row.isa) <= bits.keys()
    assert {arch_of(bits[name]) for name in row.isa} == {row.arch}


@pytest.mark.parametrize("row", all_targets(), ids=lambda row: row.name)
def test_isa_is_all_that_llvm_may_use(row: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    # tvm_ffi imports torch when it finds it, which takes seconds and is of no use here.
    monkeypatch.setitem(sys.modules, "torch", None)
    tvm = pytest.importorskip("tvm")
    features = {str(name) for name in tvm.target.codegen.llvm_get_cpu_features(tvm.target.Target(dict(row.tvm)))}
    guarded = {name for name, bit in isa_bits().items() if arch_of(bit) == row.arch} - NOT_EMITTED
    assert set(row.isa) == {name for name in guarded if LLVM_NAMES.get(name, name) in features}
    assert row.cpu in {str(name) for name in tvm.target.codegen.llvm_get_cpu_archlist(tvm.target.Target(dict(row.tvm)))}
