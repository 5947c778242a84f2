"""The number of threads that a step may wake, from its work and the target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from separable.compiler.emit.c_source import thread_limit
from separable.targets.arm import ARM64

FOUR_LANES = replace(ARM64, vector_bits=128, fma_per_cycle=2)  # 16 operations per cycle


@pytest.mark.parametrize(
    ("flops", "traffic", "threads"),
    [
        (0, 0, 1),
        (16_000, 16_000, 1),
        (16 * 2_000 - 1, 0, 1),
        (16 * 2_000, 0, 2),
        (0, 16 * 2_000, 2),  # the slower of arithmetic and memory counts
        (16 * 3_500, 16 * 8_500, 8),
        (16 * 8_500, 16 * 3_500, 8),
    ],
)
def test_threads_are_worth_a_thousand_cycles_each(flops: int, traffic: int, threads: int) -> None:
    assert thread_limit(flops, traffic, FOUR_LANES) == threads


def test_faster_arithmetic_is_worth_fewer_threads() -> None:
    assert thread_limit(16 * 4_000, 0, replace(FOUR_LANES, fma_per_cycle=4)) == 2
