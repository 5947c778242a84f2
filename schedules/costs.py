"""The cost of every kind of kernel: the table that the estimate of a network's latency is made from.

A new kind of kernel needs a function from its workload, tile and target to a :class:`Cost`, and a line in ``_COSTS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from separable.schedules import conv, conv_tile, dense, depthwise, depthwise_pointwise, strassen_tile, winograd_tile
from separable.schedules.butterfly import input_operations, output_operations
from separable.schedules.cost import Cost
from separable.schedules.epilogue import Epilogue
from separable.schedules.kernel import round_up, walked_columns
from separable.schedules.register_tile import loads_per_step
from separable.schedules.tensor import DTYPE_BYTES, Plain, Tensor
from separable.schedules.toom_cook import POINTS, transforms
from separable.schedules.workload import (
    Conv,
    Dense,
    Depthwise,
    DepthwisePointwise,
    Elementwise,
    GlobalPool,
    Pool,
    Reorder,
    Strassen,
    StrassenInputs,
    Winograd,
    Workload,
)
from separable.targets.row import Target

_OPERATIONS = {"relu": 1, "clip": 2, "leaky_relu": 3, "abs": 2, "negative": 1, "hard_sigmoid": 3, "hard_swish": 4}
_EXPONENTIAL = 20
"""Vector operations of an activation, and of one with an exponential or a square root."""


def cost_of(w: Workload, tile: Any, target: Target) -> Cost:
    """What the kernel of a workload does.

    Args:
        w: the workload.
        tile: the ``Tile`` of its schedule file.
        target: the row that the kernel is compiled for.
    """
    cost = _COSTS.get(type(w), _streamed)
    return cost(w, tile, target)


def _conv(w: Conv, tile: conv.Tile, target: Target) -> Cost:
    """Register tiles of rows x columns pixels and NR channel vectors, each with a loop over taps and channels."""
    rows, columns = conv_tile.grid(w)
    size, _ = conv_tile.channel_window(w, tile.vectors)
    steps = math.prod(w.window.size) * size
    tiles = -(-rows // tile.rows) * -(-columns // tile.columns)
    panels = -(-w.y.blocks // tile.vectors)
    walked = -(-rows // tile.rows) * tile.rows * tile.walked(columns)
    cost = _matrix(walked / tiles, tile.vectors, steps, tiles, panels, w.y.lanes, tile.pixels_outer, target)
    cost += _finished(walked * panels * tile.vectors, w.epilogue)
    if isinstance(w.x, Plain):
        # An item moves the rows that it needs into padded scratch.
        items = -(-rows // tile.rows)
        moved = w.in_channels * w.window.reach(0, tile.rows) * -(-w.x.shape[3] // w.y.lanes)
        cost += Cost(operations=0, loads=0, stores=items * moved)
    return replace(
        cost,
        loop_products=tile.rows * tile.columns * tile.vectors * tile.unroll,
        tile_products=tile.rows * tile.columns * tile.vectors * steps,
        tile_stores=tile.rows * tile.columns * tile.vectors,
        repeated="constants" if tile.pixels_outer else "inputs",
    )


def _matrix(
    pixels: float, vectors: int, steps: int, tiles: int, panels: int, lanes: int, pixels_outer: bool, target: Target
) -> Cost:
    """All register tiles of a matrix product: ``tiles`` of pixels times ``panels`` of weights, ``steps`` deep.

    ``pixels`` is how many a tile has in the mean.
    """
    count = tiles * panels
    pixel_bytes, panel_bytes = 4 * pixels * steps, 4 * vectors * lanes * steps
    free = target.l1_bytes * 3 // 4
    if pixels_outer:
        # A tile's pixels stay while all panels pass; the panels stay if all of them fit.
        again: float = panel_bytes * panels * (tiles - 1) if panel_bytes * panels + pixel_bytes > free else 0
    else:
        again = panel_bytes * panels * (tiles - 1) if panel_bytes + pixel_bytes > free else 0
        again += pixel_bytes * tiles * (panels - 1) if pixel_bytes * tiles + panel_bytes > free else 0
    return Cost(
        products=count * steps * pixels * vectors,
        loads=count * steps * loads_per_step(pixels, vectors, target),
        chain=count * steps * target.fma_latency,
        tiles=count,
        l2_bytes=again,
    )


def _finished(vectors: float, epilogue: Epilogue) -> Cost:
    """The activation and the store of so many vectors of sums."""
    operations = 0
    if epilogue.activation is not None:
        operations = _OPERATIONS.get(epilogue.activation.name, _EXPONENTIAL)
    return Cost(operations=vectors * (operations + epilogue.residual), stores=vectors)


def _depthwise(w: Depthwise, tile: depthwise.Tile, target: Target) -> Cost:
    """Register tiles of pixels, all taps unrolled: one piece of code from the loads to the stores."""
    tiles = w.y.blocks * -(-w.y.height // tile.rows) * -(-w.y.width // tile.columns)
    sums, taps = tile.rows * tile.columns, math.prod(w.window.size)
    finished = _finished(tiles * sums, w.epilogue)
    return replace(
        finished,
        products=tiles * sums * taps,
        loads=tiles * depthwise.loads_of(w, tile.rows, tile.columns, target),
        # Tiles follow each other without a loop in between, so that their chains overlap.
        chain=tiles * taps * target.fma_latency / max(1, target.vector_registers // sums),
        loop_products=sums * taps,
        tile_products=sums * taps,
        tile_stores=sums,
    )


def _depthwise_pointwise(w: DepthwisePointwise, tile: depthwise_pointwise.Tile, target: Target) -> Cost:
    """A band of depthwise rows, then its pointwise half."""
    rows, columns = depthwise_pointwise.walked(w, tile)
    bands = rows // tile.rows
    first = _depthwise(w.depthwise, tile.depthwise, target)
    point = tile.pointwise
    tiles, panels = tile.rows * columns // point.columns, -(-w.y.blocks // point.vectors)
    second = _matrix(point.columns, point.vectors, w.x.channels, tiles, panels, w.y.lanes, True, target)
    whole = second.times(bands) + Cost(l2_bytes=8 * w.middle.nbytes)
    whole += _finished(bands * tiles * panels * point.columns * point.vectors, w.epilogue)
    # The loop that the code is judged by is the pointwise half's: the other's multiply-adds are work of their own.
    beside = Cost(operations=first.operations + first.products, stores=first.stores)
    return replace(
        beside + whole,
        loop_products=point.columns * point.vectors * point.unroll,
        tile_products=point.columns * point.vectors * w.x.channels,
        tile_stores=point.columns * point.vectors,
        repeated="constants",
    )


def _winograd(w: Winograd, tile: winograd_tile.Tile, target: Target) -> Cost:
    """The transforms forth and back, and (m + 2)^2 small matrix products for each item and panel."""
    rows, columns = winograd_tile.grid(w, tile.outputs)
    size, outputs = tile.outputs + 2, tile.outputs
    matrices = transforms(outputs, POINTS[outputs])
    items, panels = -(-rows * columns // tile.tiles), -(-w.y.blocks // tile.vectors)
    groups = -(-panels // tile.panels)
    forth = items * tile.tiles * groups * w.x.blocks
    back = items * tile.tiles * w.y.blocks
    transforming = Cost(
        operations=forth * 2 * size * input_operations(matrices.inputs)
        + back * (size + outputs) * output_operations(matrices.outputs),
        stores=forth * size**2 + back * outputs**2,
    )
    product = _matrix(tile.columns, tile.vectors, w.x.channels, tile.tiles // tile.columns, 1, w.y.lanes, False, target)
    count = items * panels * size**2
    panel_bytes = 4 * tile.vectors * w.y.lanes * w.x.channels
    multiplying = (product + Cost(l2_bytes=panel_bytes)).times(count)
    sums = multiplying.tiles * tile.columns * tile.vectors
    return replace(
        transforming + multiplying + Cost(stores=sums) + _finished(0, w.epilogue),
        loop_products=tile.columns * tile.vectors * tile.unroll,
        tile_products=tile.columns * tile.vectors * w.x.channels,
        tile_stores=tile.columns * tile.vectors,
        repeated="constants",
    )


def _strassen(w: Strassen, tile: strassen_tile.Tile, target: Target) -> Cost:
    """The sums of the weights, seven matrix products of half the size for each panel, and the outputs from them."""
    blocks, tiles = w.y.blocks // 2, -(-w.pairs // tile.columns)
    panels = blocks // tile.vectors
    walked = walked_columns(tile.columns, w.pairs)
    matrix = _matrix(walked / tiles, tile.vectors, w.depth, tiles, panels, w.y.lanes, False, target)
    weights, outputs = w.depth * blocks, walked * blocks
    # The image comes from L2 for each product. So does its panel where a register tile goes over all products; where
    # the image does, the products go there and back.
    vectors = 2 * outputs if tile.products_outer else tiles * weights
    again = 4 * (w.y.lanes * vectors + panels * w.depth * w.pairs)
    multiplying = replace(matrix, l2_bytes=again).times(strassen_tile.PRODUCTS)
    adding = Cost(operations=4 * weights + 11 * outputs, stores=4 * weights + strassen_tile.PRODUCTS * outputs)
    return replace(
        adding + multiplying + _finished(4 * outputs, w.epilogue),
        loop_products=tile.columns * tile.vectors * tile.unroll,
        tile_products=tile.columns * tile.vectors * w.depth,
        tile_stores=tile.columns * tile.vectors,
        repeated="inputs",
    )


def _strassen_inputs(w: StrassenInputs, tile: Any, target: Target) -> Cost:
    """Four sums of one vector from each quarter."""
    vectors = w.y.blocks * w.pairs
    return Cost(operations=vectors, stores=vectors)


def _dense(w: Dense, tile: dense.Tile, target: Target) -> Cost:
    """A matrix product whose panels stay while they pass over all rows."""
    rows, depth, columns = math.prod(w.x.shape[:-1]), w.x.shape[-1], w.y.shape[-1]
    tiles, panels = -(-rows // tile.rows), -(-columns // (tile.vectors * tile.lanes))
    cost = _matrix(tile.rows, tile.vectors, depth, tiles, panels, tile.lanes, False, target)
    return replace(
        cost + _finished(tiles * panels * tile.rows * tile.vectors, w.epilogue),
        loop_products=tile.rows * tile.vectors * tile.unroll,
        tile_products=tile.rows * tile.vectors * depth,
        tile_stores=tile.rows * tile.vectors,
        repeated="inputs",
    )


def _pool(w: Pool, tile: Any, target: Target) -> Cost:
    """Every tap is an operation and a load: neighbours do not share them."""
    pixels = w.y.blocks * w.y.height * round_up(w.y.width, tile.columns)
    taps = math.prod(w.window.size)
    return Cost(operations=pixels * (2 * taps + 1), stores=pixels * (1 + taps / 2))


def _global_pool(w: GlobalPool, tile: Any, target: Target) -> Cost:
    """A load and an operation for each pixel, as many chains as the tile has blocks."""
    pixels = w.x.height * w.x.width
    rounds = -(-w.x.blocks // tile.blocks)
    waiting = max(1.0, target.fma_latency / tile.blocks)
    return Cost(operations=w.x.blocks * pixels * waiting, stores=w.x.blocks, tiles=rounds)


def _elementwise(w: Elementwise, tile: Any, target: Target) -> Cost:
    """One operation for each vector, and the activation's."""
    vectors = w.y.blocks * w.y.height * w.y.width
    finished = _finished(vectors, Epilogue(activation=w.activation))
    return replace(finished, operations=finished.operations + vectors)


def _reorder(w: Reorder, tile: Any, target: Target) -> Cost:
    """Every value of one side is moved by itself, a shuffle or a scalar store; a plain copy is moved in vectors."""
    if isinstance(w.x, Plain) and isinstance(w.y, Plain):
        return _streamed(w, tile, target)
    plain = w.x if isinstance(w.x, Plain) else w.y
    return Cost(scattered=_elements(plain))


def _streamed(w: Any, tile: Any, target: Target) -> Cost:
    """Any other kernel: its operations as the workload counts them, its operands in vectors."""
    inputs = w.x if isinstance(w.x, tuple) else (w.x,)
    vectors = sum(_elements(tensor) for tensor in (*inputs, w.y)) / target.lanes
    return Cost(operations=2 * w.macs / target.lanes + vectors, stores=vectors)


def _elements(tensor: Tensor) -> int:
    return tensor.nbytes // DTYPE_BYTES[tensor.dtype]


_COSTS: dict[type[Workload], Callable[[Any, Any, Target], Cost]] = {
    Conv: _conv,
    Dense: _dense,
    Depthwise: _depthwise,
    DepthwisePointwise: _depthwise_pointwise,
    Elementwise: _elementwise,
    GlobalPool: _global_pool,
    Pool: _pool,
    Reorder: _reorder,
    Strassen: _strassen,
    StrassenInputs: _strassen_inputs,
    Winograd: _winograd,
}
