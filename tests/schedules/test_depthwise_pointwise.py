from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from separable.schedules import conv, depthwise
from separable.schedules.depthwise_pointwise import Tile, decline, default_tile
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import DepthwisePointwise, Window
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target
from tests.schedules import reference
from tests.schedules.harness import assert_close, run

THREE = Window((3, 3), pad=(1, 1))
RELU6 = Epilogue(activation=Activation("clip", (0.0, 6.0)))


def workload(
    lanes: int, channels: tuple[int, int], size: tuple[int, int], window: Window, epilogue: Epilogue = RELU6
) -> DepthwisePointwise:
    halo = Halo(*window.pad, 2, 2)
    padded = (size[0] + window.pad[0] + 2, size[1] + window.pad[1] + 2)
    height, width = ((padded[axis] - window.reach(axis, 1)) // window.stride[axis] + 1 for axis in (0, 1))
    residual = Blocked(channels[1], height, width, lanes, Halo(0, 1, 2, 0)) if epilogue.residual else None
    y = Blocked(channels[1], height, width, lanes, Halo(1, 0, 0, 2))
    return DepthwisePointwise(Blocked(channels[0], *size, lanes, halo), y, window, RELU6, epilogue, residual)


def check(w: DepthwisePointwise, target: str, rng: np.random.Generator, tile: Tile | None = None) -> None:
    inputs, outputs = w.x.channels, w.y.channels
    x = rng.standard_normal((inputs, w.x.height, w.x.width)).astype(np.float32)
    weight = rng.standard_normal((inputs, 1, *w.window.size)).astype(np.float32)
    bias = rng.standard_normal(inputs).astype(np.float32)
    point_weight = rng.standard_normal((outputs, inputs, 1, 1)).astype(np.float32)
    point_bias = rng.standard_normal(outputs).astype(np.float32)
    height, width = w.y.height, w.y.width
    image, filters, offsets = (array.astype(np.float64) for array in (x, weight, bias))
    middle = np.clip(reference.conv(image, filters, offsets, w.window, inputs, height, width), 0, 6)
    matrix, point_offsets = point_weight.astype(np.float64), point_bias.astype(np.float64)
    expected = reference.conv(middle, matrix, point_offsets, Window((1, 1)), 1, height, width)
    residual = None
    if w.residual is not None:
        added = rng.standard_normal(expected.shape).astype(np.float32)
        residual, expected = (added, w.residual), expected + added
    if w.epilogue.activation is not None:
        expected = reference.ACTIVATIONS[w.epilogue.activation.name](expected, *w.epilogue.activation.parameters)
    constants = [weight, bias, point_weight, point_bias]
    assert_close(run(w, target, [(x, w.x)], constants, residual, tile), expected)


@pytest.mark.parametrize(
    ("channels", "size", "window"),
    [
        ((17, 33), (13, 13), THREE),
        ((33, 7), (7, 13), Window((3, 3), (2, 2), pad=(1, 1))),
        ((8, 8), (14, 14), Window((3, 3), (2, 2))),
        ((1, 1), (1, 1), THREE),
        ((3, 40), (13, 7), Window((5, 5), (2, 1), pad=(1, 2))),
        ((8, 16), (9, 30), Window((3, 3), dilation=(2, 1), pad=(2, 1))),
    ],
    ids=["3x3", "stride", "no-pad", "one-pixel", "5x5", "dilation"],
)
def test_agrees_with_reference(
    channels: tuple[int, int], size: tuple[int, int], window: Window, target: str, rng: np.random.Generator
) -> None:
    check(workload(find_target(target).lanes, channels, size, window), target, rng)


@pytest.mark.parametrize("epilogue", [Epilogue(), Epilogue(True), Epilogue(True, Activation("relu"))], ids=str)
def test_epilogues(epilogue: Epilogue, rng: np.random.Generator) -> None:
    check(workload(find_target("native").lanes, (17, 33), (7, 7), THREE, epilogue), "native", rng)


@pytest.mark.parametrize(
    "tile",
    [
        Tile(1, depthwise.Tile(1, 1), conv.Tile(1, 1, 1, 1, True)),
        Tile(4, depthwise.Tile(2, 4), conv.Tile(1, 4, 2, 3, True)),
        Tile(3, depthwise.Tile(3, 5), conv.Tile(1, 5, 3, 4, True)),
    ],
    ids=["one", "4x4", "3x5"],
)
def test_tiles_that_stick_out(tile: Tile, rng: np.random.Generator) -> None:
    check(workload(find_target("native").lanes, (12, 40), (7, 13), THREE), "native", rng, tile)


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_the_default_tile_divides_its_band_and_leaves_enough_bands(target: Target) -> None:
    w = workload(target.lanes, (32, 64), (112, 112), THREE)
    tile = default_tile(w, target)
    assert tile.rows % tile.depthwise.rows == 0
    columns = -(-w.y.width // tile.pointwise.columns) * tile.pointwise.columns
    assert columns % tile.depthwise.columns == 0
    assert w.y.height // tile.rows >= 14


def test_declines_where_the_image_between_stays_in_l2() -> None:
    phone = find_target("arm64:cortex-a53")
    w = workload(phone.lanes, (64, 64), (112, 112), THREE)
    assert decline(w, phone) is None
    server = replace(phone, l2_bytes=2 * w.middle.nbytes)
    assert decline(w, server) == "the image between them stays in L2"
    wide = replace(w, x=replace(w.x, channels=512), y=replace(w.y, channels=512))
    assert decline(wide, phone) == "the pointwise weights take more than half of L2"


def test_declines_where_tiles_within_rows_take_longer_than_the_way_of_the_image_between() -> None:
    """Rows of 56 pixels are no whole tiles of 6; a slow last cache is worse."""
    core = find_target("x86-64:znver3")
    w = workload(core.lanes, (128, 128), (56, 56), THREE)
    assert str(decline(w, core)).startswith("tiles within rows take")
    assert decline(w, replace(core, l3_bytes_per_cycle=4)) is None
