"""How Winograd's algorithm is tiled, what that costs by estimate, and whether it pays.

Against a direct convolution it has fewer products: (m + 2)^2 for m^2 pixels instead of 9 m^2. What it has more are the
transforms, tiles that stick out of the image, and weights: (m + 2)^2 numbers for nine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from separable.schedules import conv_tile
from separable.schedules.butterfly import input_operations, output_operations
from separable.schedules.kernel import largest_divisor
from separable.schedules.register_tile import registers_needed, straight_cycles
from separable.schedules.tensor import Blocked
from separable.schedules.toom_cook import POINTS, transforms
from separable.schedules.workload import Conv, Winograd
from separable.targets.row import Target

_L3_BYTES_PER_CYCLE = 12
_MEMORY_BYTES_PER_CYCLE = 4
"""What one core streams at least from the last cache, and from memory."""

_WORTH_IT = 0.9
"""Share of the direct convolution's cycles that Winograd's may take at most: estimates err, and rounding grows."""

_UNROLLED = 128
"""Multiply-adds of one iteration of the innermost loop: enough to bury its own instructions."""

_INPUTS, _INPUTS_IN_ORDER = 1, 5
"""Registers for inputs under way: cores that run in program order need them loaded well ahead of their use."""

_MULTIPLES = (1, 2, 3, 4, 6, 8, 12, 16)
"""Register tiles of an item that are tried."""

_THREADS = 4
"""Threads that shall find equal shares, as far as that is cheap."""


@dataclass(frozen=True)
class Tile:
    """The size of the transforms, and how the products are tiled.

    Attributes:
        outputs: m, rows and columns of output pixels of an image tile.
        tiles: image tiles of an item, a multiple of ``columns``.
        columns: image tiles held in registers (MR).
        vectors: output channel vectors held in registers (NR).
        panels: panels of ``vectors`` that an item computes; items with other channels transform the inputs again.
        unroll: how many input channels one iteration of the innermost loop covers; it divides their number.
    """

    outputs: int
    tiles: int
    columns: int
    vectors: int
    panels: int
    unroll: int


def grid(w: Winograd, outputs: int) -> tuple[int, int]:
    """Rows and columns of image tiles."""
    return -(-w.y.height // outputs), -(-w.y.width // outputs)


def decline(w: Conv, target: Target) -> str | None:
    """Why a convolution is better computed directly; None if Winograd's way is better."""
    if w.groups != 1 or w.window.size != (3, 3) or w.window.stride != (1, 1) or w.window.dilation != (1, 1):
        return "no dense 3x3 convolution of stride 1"
    if not isinstance(w.x, Blocked):
        return "it reads a plain image"
    if w.y.images > 1:
        return "it has several images"
    if w.y.dtype != "float32":
        return "its transforms need more digits than float16 has"
    by_winograd = Winograd(w)
    least = cycles(by_winograd, default_tile(by_winograd, target), target)
    direct = direct_cycles(w, target)
    if least > _WORTH_IT * direct:
        return f"{least:.0f} cycles by estimate, directly {direct:.0f}"
    return None


def direct_cycles(w: Conv, target: Target) -> float:
    """Estimated cycles of the convolution's own schedule on one thread."""
    rows, columns = conv_tile.grid(w)
    narrow = conv_tile.narrows(target)
    step = min(
        conv_tile.register_tiles(rows, columns, w.y.blocks, conv_tile.products(w), target, narrow=narrow).values()
    )
    weight_bytes = 4 * conv_tile.products(w) * w.y.blocks * w.y.lanes
    return conv_tile.products(w) * step + _fetch_cycles(weight_bytes, weight_bytes, target)


def cycles(w: Winograd, tile: Tile, target: Target) -> float:
    """Estimated cycles on one thread: the transforms, the products, and the way of the weights.

    An item passes over the weights of its channels, from L2 if they stay there between items, otherwise from beyond.
    """
    rows, columns = grid(w, tile.outputs)
    items, panels = -(-rows * columns // tile.tiles), -(-w.y.blocks // tile.vectors)
    groups = -(-panels // tile.panels)
    # Forth: every item with other channels repeats it. Back: once for every vector of the output.
    forth, back = _transform_cycles(w, tile, target)
    transforming = items * tile.tiles * (groups * w.x.blocks * forth + w.y.blocks * back)
    multiplying = items * panels * (tile.outputs + 2) ** 2 * _product_cycles(w, tile, target)
    weight_bytes = 4 * (tile.outputs + 2) ** 2 * w.x.channels * tile.panels * tile.vectors * w.y.lanes
    stay = weight_bytes + _scratch_bytes(w, tile) <= target.l2_bytes
    fetching = groups * (1 if stay else items) * _fetch_cycles(weight_bytes, groups * weight_bytes, target)
    return transforming + multiplying + fetching


def _product_cycles(w: Winograd, tile: Tile, target: Target) -> float:
    """Cycles of one small GEMM: all tiles of an item times one panel.

    A step over k costs the larger of its multiply-adds and its loads, as in a direct convolution; the first register
    tile waits for the weights from L2 too. Each register tile starts its chains anew and stores its sums.
    """
    sums, register_tiles = tile.columns * tile.vectors, tile.tiles // tile.columns
    fma_cycles = max(sums / target.fma_per_cycle, 1.2 * target.fma_latency)
    load_cycles = (tile.columns + tile.vectors) / target.loads_per_cycle
    l2_cycles = tile.vectors * conv_tile.L2_CYCLES_PER_VECTOR
    usual = max(fma_cycles, load_cycles) + 0.05 * load_cycles
    steps = (register_tiles - 1) * usual + max(usual, l2_cycles) + 0.25 * l2_cycles
    return w.x.channels * steps + register_tiles * (sums + 4 * target.fma_latency)


def _transform_cycles(w: Winograd, tile: Tile, target: Target) -> tuple[float, float]:
    """Cycles to transform one tile of one channel vector forth, and one back.

    V, which is written, and M, which is read, lie in L2 where L1 cannot hold them.
    """
    size, outputs = tile.outputs + 2, tile.outputs
    matrices = transforms(outputs, POINTS[outputs])
    vector_bytes = 4 * size**2 * tile.tiles * w.y.lanes
    return (
        _passes(2 * size * input_operations(matrices.inputs), (size**2, size**2, size**2), target)
        + size**2 * conv_tile.L2_CYCLES_PER_VECTOR * (vector_bytes * w.x.blocks > target.l1_bytes // 2),
        _passes((size + outputs) * output_operations(matrices.outputs), (size**2, size * outputs, outputs**2), target)
        + size**2 * conv_tile.L2_CYCLES_PER_VECTOR * (vector_bytes * tile.vectors > target.l1_bytes // 2),
    )


def _passes(operations: int, vectors: tuple[int, int, int], target: Target) -> float:
    """Cycles of the two passes of a transform over so many vectors: loaded, held between the passes, stored.

    What lies between them stays in registers as far as there are any.
    """
    loaded, held, stored = vectors
    spilled = max(0, held - target.vector_registers * 3 // 4)
    return straight_cycles(operations, loaded + spilled, stored + spilled, target)


def _fetch_cycles(nbytes: int, layer_bytes: int, target: Target) -> float:
    """Cycles to read weights that nobody has touched since the last inference; other layers share the last cache."""
    in_last_cache = layer_bytes <= target.l3_bytes // 4
    return nbytes / (_L3_BYTES_PER_CYCLE if in_last_cache else _MEMORY_BYTES_PER_CYCLE)


def _scratch_bytes(w: Winograd, tile: Tile) -> int:
    """Bytes of V and of M of one panel."""
    return 4 * (tile.outputs + 2) ** 2 * tile.tiles * w.y.lanes * (w.x.blocks + 1 + tile.vectors)


def default_tile(w: Winograd, target: Target) -> Tile:
    """The tile with the least estimated cycles; threads that get fewer items than others count a little."""
    best: tuple[float, Tile] | None = None
    for tile in tiles(w, target):
        count = -(-grid(w, tile.outputs)[0] * grid(w, tile.outputs)[1] // tile.tiles)
        items = count * -(-w.y.blocks // (tile.vectors * tile.panels))
        busy = items / (_THREADS * -(-items // _THREADS))
        cost = cycles(w, tile, target) * (1 + 0.1 * (1 - busy))
        if best is None or cost < best[0]:
            best = (cost, tile)
    assert best is not None
    return best[1]


def tiles(w: Winograd, target: Target) -> Iterator[Tile]:
    """Every tile whose sums, weights and inputs under way fit the registers and whose scratch fits half of L2."""
    inputs = _INPUTS_IN_ORDER if target.in_order else _INPUTS
    for outputs in POINTS:
        count = grid(w, outputs)[0] * grid(w, outputs)[1]
        for vectors in range(1, min(w.y.blocks, 4) + 1):
            panels = -(-w.y.blocks // vectors)
            for columns in range(1, min(count, 28) + 1):
                if registers_needed(columns, vectors, target) + inputs - 1 > target.vector_registers:
                    break
                unroll = largest_divisor(w.x.channels, max(4, _UNROLLED // (columns * vectors)))
                for multiple in _MULTIPLES:
                    tile = Tile(outputs, columns * multiple, columns, vectors, panels, unroll)
                    if multiple > 1 and (
                        columns * (multiple - 1) >= count or _scratch_bytes(w, tile) > target.l2_bytes // 2
                    ):
                        break
                    yield tile
                    while tile.panels > 1:
                        tile = replace(tile, panels=-(-tile.panels // 2))
                        yield tile
