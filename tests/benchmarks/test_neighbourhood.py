from __future__ import annotations

import pytest

from separable.benchmarks.neighbourhood import tiles_near
from separable.schedules import conv, depthwise
from separable.schedules.workload import Conv, Depthwise
from separable.targets.row import Target
from separable.targets.table import find_target
from tests.schedules.workloads import mobilenet, one_of_each


@pytest.fixture(params=["x86-64-v3", "arm64:cortex-a76"])
def target(request: pytest.FixtureRequest) -> Target:
    return find_target(request.param)


def test_tiles_of_mobilenet_fit_and_hold_the_default(target: Target) -> None:
    for w in mobilenet(target.lanes):
        tiles = tiles_near(w, target)
        assert len(tiles) == len(set(tiles))
        for tile in tiles:
            if isinstance(w, Conv):
                assert isinstance(tile, conv.Tile)
                assert tile.rows * tile.columns * tile.vectors + tile.vectors + 1 <= target.vector_registers
                assert w.in_channels % tile.unroll == 0
            else:
                assert isinstance(tile, depthwise.Tile)
                assert tile.rows * tile.columns + 3 <= target.vector_registers
        assert isinstance(w, Conv | Depthwise)
        default = conv.default_tile(w, target) if isinstance(w, Conv) else depthwise.default_tile(w, target)
        assert tiles[0] == default
        if w.y.height > 1:  # one pixel has few tiles
            assert len(tiles) > 10


def test_both_orders_are_tried_where_there_is_a_choice(target: Target) -> None:
    workloads = one_of_each(target.lanes)
    orders = {
        kind: {tile.pixels_outer for tile in tiles_near(workloads[kind], target) if isinstance(tile, conv.Tile)}
        for kind in ("pointwise", "conv")
    }
    assert orders["pointwise"] == {True, False}
    assert len(orders["conv"]) == 1  # a plain input is walked row by row


def test_other_workloads_have_nothing_to_search(target: Target) -> None:
    assert tiles_near(one_of_each(target.lanes)["softmax"], target) == []
