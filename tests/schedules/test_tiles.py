"""Default tiles fit the registers of every target and waste little of what they compute."""

from __future__ import annotations

import pytest

from separable.schedules import conv, conv_tile, dense, depthwise
from separable.schedules.kernel import round_up
from separable.schedules.tensor import Plain
from separable.schedules.workload import Conv, Dense, Depthwise
from separable.targets.row import Target
from separable.targets.table import all_targets
from tests.schedules.workloads import mobilenet

rows = pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)


@rows
@pytest.mark.parametrize(("alpha", "resolution"), [(1.0, 224), (0.25, 128)])
def test_convolutions_of_mobilenet(target: Target, alpha: float, resolution: int) -> None:
    for w in mobilenet(target.lanes, alpha, resolution):
        if isinstance(w, Depthwise):
            check_depthwise(w, target)
        elif isinstance(w, Conv):
            check_conv(w, target)


def check_conv(w: Conv, target: Target) -> None:
    tile = conv.default_tile(w, target)
    accumulators = tile.rows * tile.columns * tile.vectors
    assert accumulators + tile.vectors + 1 <= target.vector_registers
    assert w.in_channels // w.groups % tile.unroll == 0
    height, width = conv_tile.grid(w)
    computed = round_up(height, tile.rows) * tile.walked(width) * round_up(w.y.blocks, tile.vectors)
    # Tiny images are all edge; elsewhere little may stick out: more where registers are few and loads slow, because a
    # wide panel saves them.
    most = 1.13 if target.arch == "armv7" else 1.1
    if height * width >= 14 * 14:
        assert computed <= most * height * width * w.y.blocks
        assert accumulators >= min(target.fma_per_cycle * target.fma_latency, target.vector_registers - 5)


def check_depthwise(w: Depthwise, target: Target) -> None:
    tile = depthwise.default_tile(w, target)
    assert tile.rows * tile.columns + 3 <= target.vector_registers
    computed = round_up(w.y.height, tile.rows) * round_up(w.y.width, tile.columns)
    if w.y.height >= 14:
        assert computed <= 1.2 * w.y.height * w.y.width


@rows
@pytest.mark.parametrize("shape", [(1, 1024, 1000), (49, 64, 64), (197, 768, 2304), (5, 3, 2)], ids=str)
def test_dense(target: Target, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    tile = dense.default_tile(Dense(Plain((m, k)), Plain((m, n))), target)
    assert tile.rows * tile.vectors + tile.vectors + 1 <= target.vector_registers
    assert tile.rows <= m
    assert tile.vectors * tile.lanes <= n
    assert k % tile.unroll == 0
