"""The scheduled TIR of one small workload of every kind, word by word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from separable.schedules import conv, depthwise, depthwise_pointwise, registry, strassen, winograd
from separable.targets.table import find_target
from tests.schedules.workloads import one_of_each

V3 = find_target("x86-64-v3")
WORKLOADS = one_of_each(V3.lanes)
# Given where the default is subject to tuning: the files show schedules, not tiles.
TILES = {
    "pointwise": conv.Tile(rows=1, columns=6, vectors=2, unroll=8, pixels_outer=True),
    "conv": conv.Tile(rows=2, columns=4, vectors=1, unroll=3, pixels_outer=False),
    "depthwise": depthwise.Tile(rows=2, columns=3),
    "depthwise_pointwise": depthwise_pointwise.Tile(
        rows=2,
        depthwise=depthwise.Tile(rows=1, columns=7),
        pointwise=conv.Tile(rows=1, columns=7, vectors=1, unroll=4, pixels_outer=True),
    ),
    "strassen": strassen.Tile(columns=4, vectors=1, unroll=4),
    "winograd": winograd.Tile(outputs=2, tiles=8, columns=4, vectors=2, panels=1, unroll=4),
}


@pytest.mark.parametrize("kind", WORKLOADS)
def test_scheduled_tir(kind: str, golden: Callable[[str, str], None]) -> None:
    kernel = registry.build_kernel(WORKLOADS[kind], V3, TILES.get(kind))
    golden(f"{kind}.txt", kernel.func.script() + "\n")
