"""The tiles that a search tries for a workload: all that fit the registers and are not hopeless."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from separable.schedules import conv, depthwise
from separable.schedules.kernel import largest_divisor
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Depthwise, Workload
from separable.targets.row import Target

_HOPELESS = 1.25
"""Register tiles are left out whose estimated cycles exceed the best estimate by this factor."""

_UNROLLS = (2, 4, 8, 16)
_DEPTHWISE_ROWS, _DEPTHWISE_COLUMNS = 7, 28


def tiles_near(w: Workload, target: Target) -> list[object]:
    """The tiles worth measuring, the default first, then the best estimates.

    For a convolution every register tile in reach of the best estimate, in both orders of the loops; for a depthwise
    convolution every register tile; for all other workloads nothing.
    """
    match w:
        case Conv():
            return list(dict.fromkeys([conv.default_tile(w, target), *_conv_tiles(w, target)]))
        case Depthwise():
            return list(dict.fromkeys([depthwise.default_tile(w, target), *_depthwise_tiles(w, target)]))
        case _:
            return []


def unrollings(w: Workload, tile: object) -> list[object]:
    """The tile and its like with other unrollings of the reduction; the tile alone if its schedule has none."""
    if not isinstance(w, Conv) or not isinstance(tile, conv.Tile):
        return [tile]
    size, _ = conv.channel_window(w, tile.vectors)
    others = (replace(tile, unroll=largest_divisor(size, limit)) for limit in _UNROLLS)
    return list(dict.fromkeys([tile, *others]))


def _conv_tiles(w: Conv, target: Target) -> list[conv.Tile]:
    rows, columns = conv.grid(w)
    cycles = conv.register_tiles(rows, columns, w.y.blocks, conv.products(w), target)
    reach = _HOPELESS * min(cycles.values())
    # A plain input is walked row by row, and a single pixel has no order.
    ordered = isinstance(w.x, Blocked) and rows * columns > 1
    orders = (True, False) if ordered else (conv.default_tile(w, target).pixels_outer,)
    tiles = []
    for shape in sorted((shape for shape in cycles if cycles[shape] <= reach), key=cycles.__getitem__):
        size, _ = conv.channel_window(w, vectors=shape[2])
        tiles += [conv.Tile(*shape, conv.unroll_of(size, math.prod(shape), w.y.lanes), order) for order in orders]
    return tiles


def _depthwise_tiles(w: Depthwise, target: Target) -> list[depthwise.Tile]:
    shapes = itertools.product(
        range(1, min(w.y.height, _DEPTHWISE_ROWS) + 1), range(1, min(w.y.width, _DEPTHWISE_COLUMNS) + 1)
    )
    # The sums of a tile and an input vector, a tap and the product under way.
    return [depthwise.Tile(rows, columns) for rows, columns in shapes if rows * columns + 3 <= target.vector_registers]
