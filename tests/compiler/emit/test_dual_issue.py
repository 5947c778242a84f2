"""The rules of issue, each on a loop that shows it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from separable.compiler.emit.dual_issue import cycles
from separable.targets.table import find_target

A53, A55 = find_target("arm64:cortex-a53"), find_target("arm64:cortex-a55")
BACK = "b.ne .LBB0_1"


def products(count: int, operands: str = "v20.4s, v21.s[0]") -> list[str]:
    """Multiply-adds that do not wait for each other."""
    return [f"fmla v{index}.4s, {operands}" for index in range(count)]


def taken(loop: Sequence[str], after: Sequence[str] = (BACK,), target: object = A55) -> float | None:
    return cycles([*loop, *after], A53 if target is A53 else A55)


def test_a_multiply_add_starts_in_every_cycle_and_a_branch_beside_the_last() -> None:
    assert taken(products(12)) == 12


def test_a_sum_waits_for_itself() -> None:
    assert taken(["fmla v0.4s, v20.4s, v21.s[0]"] * 3) == 12


def test_a_load_of_128_bits_blocks_the_core_for_two_cycles() -> None:
    assert taken([*products(6), "ldr q30, [x1]", *products(6)]) == 14
    assert taken([*products(6), "ldp q30, q31, [x1], #32", *products(6)]) == 16


def test_halves_start_beside_multiply_adds() -> None:
    first, second, third, *others = products(12)
    halves = [first, "ldr d30, [x1]", second, "ldr x9, [x1, #8]", third, *others[:4], "mov v30.d[1], x9", *others[4:]]
    assert taken(halves) == 12


def test_a_half_starts_apart_on_cortex_a53_but_beside_an_insertion() -> None:
    first, *others = products(12)
    assert taken([first, "ldr d30, [x1]", *others], target=A53) == 13
    assert taken([first, "mov v29.d[1], x9", "ldr d30, [x1]", *others], target=A53) == 13
    assert taken([first, "ldr x9, [x1, #8]", *others], target=A53) == 12


def test_loads_do_not_pair_with_loads() -> None:
    assert taken(["ldr d30, [x1]", "ldr x9, [x1, #8]", "ldr d29, [x2]"], after=["add x1, x1, #16", BACK]) == 4


def test_what_needs_a_loaded_value_waits_for_it() -> None:
    waiting = ["ldr d20, [x1]", "fmla v0.4s, v20.4s, v21.s[0]"]
    assert taken(waiting) == 5
    assert taken([waiting[0], *products(3, "v22.4s, v21.s[0]"), waiting[1].replace("v0", "v4")]) == 5


def test_a_pointer_that_the_access_moves_is_ready_at_once() -> None:
    assert taken(["ldr q30, [x1], #16", "ldr q31, [x1], #16"]) == 5


@pytest.mark.parametrize(
    "unknown",
    ["str q0, [x1]", "ldp q0, q1, [sp, #32]", "ldr s0, [sp, #12]", "ldr x9, [x1, x2]", "bl expf", "fcvtl v0.4s, v1.4h"],
)
def test_a_loop_with_anything_else_has_no_count(unknown: str) -> None:
    assert taken([*products(4), unknown]) is None
