"""The mix of loops, read from assembly as LLVM writes it."""

from __future__ import annotations

import re

import pytest

from separable.compiler.emit.listing import innermost_loops, mixes_of
from separable.targets.table import find_target

ANY = find_target("x86-64-v3")

X86 = """
kernel:
	.cfi_startproc
	vxorps	%xmm0, %xmm0, %xmm0
.LBB0_1:                                # %outer
	xorl	%ecx, %ecx
	.p2align	4
.LBB0_2:                                # %inner
	vmovups	(%rsi,%rcx), %zmm4
	vbroadcastss	4(%rdi), %zmm5
	prefetcht0	64(%rsi)
	leaq	4(%rdi), %rdi
	vfmadd231ps	%zmm4, %zmm5, %zmm0
	vfmadd231ps	(%rdi){1to16}, %zmm4, %zmm1
	vmovups	%zmm1, 64(%rsp)         # spilled
	addq	$64, %rcx
	jne	.LBB0_2
	vmovups	%zmm0, (%rdx)
	decq	%rax
	jne	.LBB0_1
	retq
"""

ARM64 = """
kernel:
.LBB0_1:
	ldp	q16, q17, [x9], #32
	ldr	q18, [x10, #16]
	prfm	pldl1keep, [x9, #256]
	fmla	v0.4s, v16.4s, v18.s[0]
	fmla	v1.4s, v17.4s, v18.s[0]
	fmla	v2.4s, v16.4s, v18.s[1]
	fmla	v3.4s, v17.4s, v18.s[1]
	str	q3, [sp, #16]
	subs	x8, x8, #1
	b.ne	.LBB0_1
	ret
"""

ARMV7 = """
kernel:
.LBB0_1:
	vld1.32	{d16, d17}, [r1]!
	vld1.32	{d18, d19, d20, d21}, [r2]!
	vmla.f32	q0, q8, d18[0]
	vmla.f32	q1, q8, d18[1]
	vst1.64	{d0, d1}, [r3]
	subs	r0, r0, #1
	bne	.LBB0_1
	bx	lr
"""


@pytest.mark.parametrize(
    ("text", "products", "loads", "stores", "instructions"),
    [(X86, 2, 3, 1, 9), (ARM64, 4, 3, 1, 10), (ARMV7, 2, 3, 1, 7)],
    ids=["x86-64", "arm64", "armv7"],
)
def test_loads_and_stores_of_vectors_count_and_nothing_else(
    text: str, products: int, loads: int, stores: int, instructions: int
) -> None:
    (mix,) = mixes_of(text, ANY)
    assert mix.products == products
    assert (mix.loads * products, mix.stores * products) == (loads, stores)
    assert mix.instructions * products == instructions


def test_a_loop_around_another_is_not_innermost() -> None:
    (loop,) = innermost_loops(X86)
    assert loop[0].startswith("vmovups\t(%rsi")
    assert loop[-1] == "jne\t.LBB0_2"


def test_the_loop_with_the_most_products_comes_first_and_those_without_are_left_out() -> None:
    short = ".LBB1_1:\n\tvmulps\t%zmm1, %zmm2, %zmm3\n\tjne\t.LBB1_1\n"
    copy = ".LBB2_1:\n\tvmovups\t(%rsi), %zmm4\n\tvmovups\t%zmm4, (%rdi)\n\tjne\t.LBB2_1\n"
    assert [mix.products for mix in mixes_of(short + copy + X86, ANY)] == [2, 1]
    assert mixes_of(copy, ANY) == ()


def test_code_without_a_loop_has_no_mix() -> None:
    code = "kernel:\n\tvfmadd231ps\t%zmm4, %zmm5, %zmm0\n\tjmp\t.LBB0_9\n.LBB0_9:\n\tretq\n"
    assert mixes_of(code, ANY) == ()


def test_cycles_are_counted_where_the_rules_of_issue_are_known() -> None:
    code = re.sub(r"\n\tst.*", "", ARM64)
    assert mixes_of(code, find_target("arm64:cortex-a76"))[0].cycles is None
    (mix,) = mixes_of(code, find_target("arm64:cortex-a55"))
    assert mix.cycles is not None
    assert mix.cycles * mix.products >= 2 * 3 + mix.products  # three vectors, each two cycles
