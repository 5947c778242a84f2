"""How Strassen's algorithm is tiled, what that costs by estimate, and whether it pays.

Against a direct convolution it has seven products for eight. What it has more are sums: of the image and of the weights
before the products, and of the products after them. Its weights are those of the direct convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from separable.schedules import conv_tile
from separable.schedules.kernel import narrow_from
from separable.schedules.register_tile import registers_needed, straight_cycles
from separable.schedules.strassen_inputs import SUMS
from separable.schedules.tensor import DTYPE_BYTES
from separable.schedules.workload import Conv, Strassen
from separable.targets.row import Target

PRODUCTS = 7

_WORTH_IT = 0.965
"""Share of the direct convolution's cycles that Strassen's may take at most: estimates err, and rounding grows."""

_ALIKE = 1.03
"""Tiles whose estimates differ by less than this factor are taken for equal."""

_PORT_BITS = 256
"""Of a load port of the cores that need two of them for one vector."""


@dataclass(frozen=True)
class Tile:
    """The register tile.

    Attributes:
        columns: pixel pairs held in registers (MR).
        vectors: pairs of output channel vectors held in registers (NR); they divide half of the output's blocks.
        unroll: how many input channels one iteration of the innermost loop covers; it divides half of them.
        products_outer: walk over products outside of register tiles.
    """

    columns: int
    vectors: int
    unroll: int
    products_outer: bool = False


def decline(w: Conv, target: Target) -> str | None:
    """Why a convolution is better computed directly; None if Strassen's way is better."""
    if not conv_tile.is_collapsed(w) or w.groups != 1 or w.y.images > 1:
        return "no dense 1x1 convolution of stride 1, of one image"
    if "float16" in (w.y.dtype, w.weights):
        return "its sums need more digits than float16 has"
    if w.in_channels % (2 * w.y.lanes) or w.y.channels % (2 * w.y.lanes):
        return "its channels are no even number of vectors"
    if target.lane_operands:
        return "on Arm it was never measured"
    if target.panel_channels:
        return "kernels for several CPUs share its weights, packed for the direct convolution"
    by_strassen = Strassen(w)
    tile = default_tile(by_strassen, target)
    if not tile.products_outer and by_strassen.conv.x.nbytes + by_strassen.x.nbytes > target.l2_bytes:
        return "its image and the sums do not fit L2, from where each panel reads them"
    least, direct = cycles(by_strassen, tile, target), direct_cycles(w, target)
    if least > _WORTH_IT * direct:
        return f"{least:.0f} cycles by estimate, directly {direct:.0f}"
    return None


def direct_cycles(w: Conv, target: Target) -> float:
    """Estimated cycles of the direct convolution on one thread, counted in the same way: the least of all tiles."""
    pixels = w.y.height * w.y.width
    return min(
        -(-w.y.blocks // vectors) * _product_cycles(w.in_channels, pixels, columns, vectors, target)
        for columns, vectors in _register_tiles(pixels, w.y.blocks, target)
    )


def cycles(w: Strassen, tile: Tile, target: Target) -> float:
    """Estimated cycles on one thread: the sums and the products.

    Weights come from the last cache or memory as they do for the direct convolution, so their way is left out.
    """
    blocks = w.y.blocks // 2
    # Of one vector from each quarter. The image and its sums are in L2.
    image = straight_cycles(4, 4, 4, target) + 4 * conv_tile.L2_CYCLES_PER_VECTOR
    weights = straight_cycles(4, 4, 4, target)
    if _panel_bytes(w, tile.vectors) > target.l1_bytes // 2:
        weights += _way_to_l2(4 + SUMS)
    outputs = straight_cycles(7 + 4, PRODUCTS, 4, target)
    if tile.products_outer:
        outputs += _way_to_l2(2 * PRODUCTS)
    adding = w.depth // w.y.lanes * w.pairs * image + w.depth * blocks * weights + blocks * w.pairs * outputs
    product = _product_cycles(w.depth, w.pairs, tile.columns, tile.vectors, target)
    return adding + blocks // tile.vectors * PRODUCTS * product


def _way_to_l2(vectors: int) -> float:
    """Cycles of so many vectors from L2 or into it; half of the way hides behind arithmetic."""
    return vectors * conv_tile.L2_CYCLES_PER_VECTOR / 2


def _panel_bytes(w: Strassen, vectors: int) -> int:
    """Size of the four quarters of a panel, and of their sums."""
    return 4 * w.depth * vectors * w.y.lanes * DTYPE_BYTES[w.y.dtype]


def _products_outer(w: Strassen, columns: int, vectors: int, target: Target) -> bool:
    """Whether to walk over products outside of register tiles.

    With few pixels to share a weight vector its way from L2 takes more than half of the multiply-adds' cycles. What one
    product needs must stay where it is then: its weights in L1, and in L2 its quarter of the image and the products.
    """
    from_l2 = vectors * conv_tile.L2_CYCLES_PER_VECTOR > columns * vectors / target.fma_per_cycle / 2
    products_bytes = PRODUCTS * w.pairs * vectors * w.y.lanes * DTYPE_BYTES[w.y.dtype]
    weights_in_l1 = _panel_bytes(w, vectors) // 4 <= target.l1_bytes // 2
    return from_l2 and weights_in_l1 and w.x.nbytes // SUMS + products_bytes <= target.l2_bytes // 2


def _register_tiles(pixels: int, blocks: int, target: Target) -> Iterator[tuple[int, int]]:
    """Pixels and channel vectors that fit the registers."""
    for vectors in range(1, min(blocks, 4) + 1):
        for columns in range(1, min(pixels, 28) + 1):
            if registers_needed(columns, vectors, target) <= target.vector_registers:
                yield columns, vectors


def _product_cycles(depth: int, pixels: int, columns: int, vectors: int, target: Target) -> float:
    """Cycles of one product of all pixels: in tiles of ``columns``, the last of them one column narrower."""
    tiles, first = -(-pixels // columns), narrow_from(columns, pixels)
    wide, narrow = (_tile_cycles(depth, width, vectors, target) for width in (columns, columns - 1))
    return first * wide + (tiles - first) * narrow


def _tile_cycles(depth: int, columns: int, vectors: int, target: Target) -> float:
    """Cycles of one product of a register tile: it starts its chains anew and stores its sums.

    A load that broadcasts a pixel takes one port, where a vector may take two.
    """
    sums = columns * vectors
    ports = min(2, target.loads_per_cycle * max(1, target.vector_bits // _PORT_BITS))
    load_cycles = columns / ports + vectors / target.loads_per_cycle
    l2_cycles = vectors * conv_tile.L2_CYCLES_PER_VECTOR
    fma_cycles = max(sums / target.fma_per_cycle, 1.2 * target.fma_latency)
    step = max(fma_cycles, load_cycles, l2_cycles) + 0.05 * load_cycles
    return depth * step + sums / min(1, target.loads_per_cycle) + 4 * target.fma_latency


def default_tile(w: Strassen, target: Target) -> Tile:
    """The tile of fewest vectors among those with the least estimated cycles.

    Fewer vectors make smaller panels: more items for threads to share, and less scratch. An iteration covers half a
    block of lanes, as there are seven loops, and eight channels at least.
    """
    blocks, unroll = w.y.blocks // 2, min(w.y.lanes, max(8, w.y.lanes // 2))
    costs = {
        tile: cycles(w, tile, target)
        for columns, vectors in _register_tiles(w.pairs, blocks, target)
        for tile in [Tile(columns, vectors, unroll, _products_outer(w, columns, vectors, target))]
        if blocks % vectors == 0
    }
    least = min(costs.values())
    alike = (tile for tile in costs if costs[tile] <= _ALIKE * least)
    return min(alike, key=lambda tile: (tile.vectors, costs[tile]))
