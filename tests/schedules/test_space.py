"""Spaces: valid tiles only, the default first, axes that name every tile."""

from __future__ import annotations

import pytest

from separable.schedules import conv, conv_tile, depthwise
from separable.schedules.space import TILES, fitted, has_space, parameters, space, unrollings
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise, Window, Workload
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target
from tests.schedules.workloads import mobilenet, one_of_each

ROWS = [find_target(name) for name in ("x86-64-v3", "x86-64:znver5", "arm64:cortex-a53", "arm64:cortex-a76")]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def target(request: pytest.FixtureRequest) -> Target:
    row: Target = request.param
    return row


def tuned_workloads(target: Target) -> list[Workload]:
    every = [*mobilenet(target.lanes), *one_of_each(target.lanes).values()]
    return [w for w in every if has_space(w)]


def registers(tile: object) -> int:
    """Vector registers that the accumulators and what feeds them take."""
    if isinstance(tile, depthwise.Tile):
        return tile.rows * tile.columns + 3
    values = parameters(tile)
    prefix = "pointwise." if "pointwise.vectors" in values else ""
    vectors = values[f"{prefix}vectors"]
    pixels = values[f"{prefix}rows"] * values.get(f"{prefix}columns", 1)
    return pixels * vectors + vectors + 1


def test_every_tuned_kind_is_among_the_test_workloads(target: Target) -> None:
    assert {type(w) for w in tuned_workloads(target)} == set(TILES)


def test_tiles_fit_the_registers_and_are_distinct(target: Target) -> None:
    for w in tuned_workloads(target):
        tiles = space(w, target).tiles
        assert len(set(tiles)) == len(tiles) <= 5000
        assert all(registers(tile) <= target.vector_registers for tile in tiles)


def test_the_default_comes_first(target: Target) -> None:
    for w in tuned_workloads(target):
        if isinstance(w, Conv):
            assert space(w, target).default == conv.default_tile(w, target)
        if isinstance(w, Depthwise):
            assert space(w, target).default == depthwise.default_tile(w, target)


def test_layers_of_mobilenet_have_tens_of_tiles(target: Target) -> None:
    for w in mobilenet(target.lanes):
        if isinstance(w, Conv | Depthwise) and w.y.height > 1:
            assert len(space(w, target).tiles) >= 20


def test_unrolls_divide_the_reduction(target: Target) -> None:
    for w in tuned_workloads(target):
        for tile in space(w, target).tiles:
            if isinstance(w, Conv) and isinstance(tile, conv.Tile):
                assert conv_tile.channel_window(w, tile.vectors)[0] % tile.unroll == 0
            if isinstance(w, Dense):
                assert w.x.shape[-1] % parameters(tile)["unroll"] == 0


def test_fused_tiles_divide_their_band(target: Target) -> None:
    for w in tuned_workloads(target):
        if isinstance(w, DepthwisePointwise):
            for tile in space(w, target).tiles:
                values = parameters(tile)
                assert values["rows"] % values["depthwise.rows"] == 0


def test_axes_name_every_tile(target: Target) -> None:
    for w in tuned_workloads(target):
        found = space(w, target)
        for tile in found.tiles:
            values = parameters(tile)
            assert set(values) == set(found.axes)
            assert all(values[name] in found.axes[name] for name in values)
            assert found.tile(values) is tile
        assert all(list(axis) == sorted(set(axis)) for axis in found.axes.values())


def test_other_combinations_are_no_tiles() -> None:
    target = ROWS[0]
    w = one_of_each(target.lanes)["depthwise"]
    found = space(w, target)
    assert found.tile({"rows": found.axes["rows"][-1], "columns": found.axes["columns"][-1]}) is None


def test_both_orders_where_there_is_a_choice(target: Target) -> None:
    workloads = one_of_each(target.lanes)
    assert space(workloads["pointwise"], target).axes["pixels_outer"] == (0, 1)
    assert len(space(workloads["conv"], target).axes["pixels_outer"]) == 1  # a plain input is walked row by row


def test_a_workload_without_a_space(target: Target) -> None:
    softmax = one_of_each(target.lanes)["softmax"]
    assert not has_space(softmax)
    with pytest.raises(KeyError):
        space(softmax, target)


def test_a_tile_of_the_space_fits_itself(target: Target) -> None:
    for w in tuned_workloads(target)[:6]:
        for tile in space(w, target).tiles[::7]:
            assert fitted(w, tile, target) == tile


def test_a_tile_of_a_larger_layer_is_made_to_fit() -> None:
    target = ROWS[1]
    w = Conv(*_pointwise(64, 64, 14, target.lanes))
    tile = conv.Tile(1, 14, 2, 5, True)  # 5 does not divide 64
    found = fitted(w, tile, target)
    assert found in space(w, target).tiles
    assert isinstance(found, conv.Tile)
    assert (found.columns, found.vectors) == (14, 2)


def test_a_tile_of_another_kind_or_far_away_does_not_fit() -> None:
    target = ROWS[1]
    w = Conv(*_pointwise(48, 48, 14, target.lanes))
    assert fitted(w, depthwise.Tile(1, 4), target) is None
    assert fitted(w, conv.Tile(1, 1, 1, 1, True), target) is None


def test_unrollings_divide_the_channels(target: Target) -> None:
    workloads = one_of_each(target.lanes)
    tile = conv.Tile(rows=1, columns=4, vectors=2, unroll=4, pixels_outer=True)
    pointwise = unrollings(workloads["pointwise"], tile)
    assert pointwise[0] == tile
    channels = 2 * target.lanes
    assert {t.unroll for t in pointwise if isinstance(t, conv.Tile)} == {u for u in (2, 4, 8, 16, 32) if u <= channels}
    square = depthwise.Tile(2, 2)
    assert unrollings(workloads["depthwise"], square) == [square]


@pytest.mark.parametrize("row", all_targets(), ids=lambda row: row.name)
def test_every_row_has_spaces(row: Target) -> None:
    assert all(space(w, row).tiles for w in one_of_each(row.lanes).values() if has_space(w))


def _pointwise(channels_in: int, channels_out: int, size: int, lanes: int) -> tuple[Blocked, Blocked, Window]:
    return Blocked(channels_in, size, size, lanes), Blocked(channels_out, size, size, lanes), Window((1, 1))
