"""How a convolution is tiled, what that costs by estimate, and the default argued from registers and caches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tvm import tirx

from separable.schedules.kernel import largest_divisor, narrow_from, overlapped, round_up, spread, walked_columns
from separable.schedules.register_tile import loads_per_step, registers_needed
from separable.schedules.tensor import DTYPE_BYTES, LINE_BYTES, Blocked
from separable.schedules.workload import Conv
from separable.targets.row import Target

L2_CYCLES_PER_VECTOR = 2
"""What a vector costs that comes from L2 instead of L1, roughly, on every core of the target table."""

_EXPOSED_LOADS, _EXPOSED_L2 = 0.305, 0.15
"""What part of loads, and of the way from L2, costs time although the multiply-adds would cover it."""

_STREAMED = 64
"""Input channels from which on an iteration reads four blocks of them, where registers are left."""


@dataclass(frozen=True)
class Tile:
    """The register tile and the order of the loops around it.

    Attributes:
        rows, columns: output pixels held in registers (MR = rows * columns).
        vectors: output channel vectors held in registers (NR).
        unroll: how many input channels one iteration of the innermost loop covers.
        pixels_outer: walk over pixels outside of channel panels: right when all panels stay in L2 and the image is
            large, which threads then share without each of them reading all of it; otherwise each panel stays in
            cache while it passes over the whole image, and the next one is fetched meanwhile.
        panel: channel vectors of a panel of the packed weights, a multiple or a divisor of ``vectors``; 0: as many.
        narrow: the last tiles may be one column narrower instead of overlapping.
    """

    rows: int
    columns: int
    vectors: int
    unroll: int
    pixels_outer: bool
    panel: int = 0
    narrow: bool = False

    def first_narrow(self, columns: int) -> int:
        """The first of the tiles side by side in so many columns that is narrower; their number if none is."""
        return narrow_from(self.columns, columns) if self.narrow else -(-columns // self.columns)

    def walked(self, columns: int) -> int:
        """Columns of all of them together."""
        return walked_columns(self.columns, columns) if self.narrow else round_up(columns, self.columns)

    def start(self, index: tirx.Expr, columns: int) -> tirx.Expr:
        """Where one of them starts."""
        return (spread if self.narrow else overlapped)(index, self.columns, columns)

    @property
    def packed(self) -> int:
        """Channel vectors of a panel."""
        return self.panel or self.vectors


def is_collapsed(w: Conv) -> bool:
    """Whether the pixels of this convolution can be walked as one row, so that a tile may span image rows."""
    return (
        isinstance(w.x, Blocked)
        and w.window.size == w.window.stride == (1, 1)
        and w.window.pad == (0, 0)
        and not w.x.halo
    )


def grid(w: Conv) -> tuple[int, int]:
    """Rows and columns of the output as the loops walk them."""
    return (1, w.y.height * w.y.width) if is_collapsed(w) else (w.y.height, w.y.width)


def products(w: Conv) -> int:
    """Products that are summed for one output: taps x input channels."""
    return math.prod(w.window.size) * w.in_channels // w.groups


def channel_window(w: Conv, vectors: int) -> tuple[int, list[int]]:
    """Input channels one panel reads, and the first of them for every panel."""
    per_group_in, per_group_out = w.in_channels // w.groups, w.y.channels // w.groups
    panel = vectors * w.y.lanes
    ranges = []
    for first in range(0, w.y.channels, panel):
        last = min(first + panel, w.y.channels) - 1
        ranges.append((first // per_group_out * per_group_in, (last // per_group_out + 1) * per_group_in))
    size = max(stop - start for start, stop in ranges)
    return size, [min(start, w.in_channels - size) for start, _ in ranges]


def narrows(target: Target) -> bool:
    """Whether default tiles may be of two widths.

    The few shapes that are fast with x86's broadcasts leave columns over. Arm has shapes for every number of columns:
    V1 1.0-224 would compute 0.4 % less and take 1.4 % more instructions.
    """
    return not target.lane_operands


def shared_panel(w: Conv, target: Target) -> int:
    """Channel vectors of a panel where kernels for several CPUs share it, else 0.

    Grouped convolutions do not: which input channels a panel has follows from the register tile.
    """
    return target.panel_vectors if w.groups == 1 else 0


def register_tiles(
    rows: int, columns: int, blocks: int, depth: int, target: Target, panel: int = 0, narrow: bool = False
) -> dict[tuple[int, int, int], float]:
    """Every register tile (rows, columns, channel vectors) that fits, with the cycles it takes for the whole layer.

    Each step over k costs the larger of its FMAs (not fewer than hide the FMA latency) and its loads. Where columns are
    no multiple of the tile's, the last ones are one narrower; what tiles overlap is computed twice. Where a panel of
    weights is too large for L1, every tile fetches it from L2 again: more pixels per weight are better then. If only a
    part of each line is needed, all of it comes.

    Args:
        rows: of the image that is walked.
        columns: of the image that is walked.
        blocks: channel vectors of the output.
        depth: products that are summed for one output: taps x input channels.
        target: registers, FMA and load rates, L1.
        panel: channel vectors of a panel of weights, of which a tile must be a multiple or a divisor; 0: any.
        narrow: whether the last tiles may be one column narrower.
    """
    cycles: dict[tuple[int, int, int], float] = {}
    for vectors in range(1, min(blocks, 4 if rows * columns > 1 else 16) + 1):
        if panel and panel % vectors and vectors % panel:
            continue
        fetched = max(vectors, min(panel, 8 * LINE_BYTES // target.vector_bits))
        from_l2 = 0 if depth * fetched * target.vector_bits // 8 <= target.l1_bytes // 2 else fetched
        for tile_rows in range(1, min(rows, 4) + 1):
            for tile_columns in range(1, min(columns, 28) + 1):
                if registers_needed(tile_rows * tile_columns, vectors, target) > target.vector_registers:
                    break
                tiles = -(-columns // tile_columns)
                first = narrow_from(tile_columns, columns) if narrow else tiles
                band = first * _step_cycles(tile_rows * tile_columns, vectors, from_l2, target)
                band += (tiles - first) * _step_cycles(tile_rows * (tile_columns - 1), vectors, from_l2, target)
                cycles[tile_rows, tile_columns, vectors] = -(-rows // tile_rows) * -(-blocks // vectors) * band
    return cycles


def _step_cycles(pixels: int, vectors: int, from_l2: int, target: Target) -> float:
    """Cycles of one step over k; ``from_l2`` weight vectors are not in L1."""
    # Exactly as many accumulators as hide the latency still stall at every hiccup: ask for a few more.
    fma_cycles = max(pixels * vectors / target.fma_per_cycle, 1.2 * target.fma_latency)
    load_cycles = loads_per_step(pixels, vectors, target) / target.loads_per_cycle
    l2_cycles = from_l2 * L2_CYCLES_PER_VECTOR
    exposed = _EXPOSED_LOADS * load_cycles + _EXPOSED_L2 * l2_cycles
    return max(fma_cycles, load_cycles, l2_cycles) + exposed


def register_tile(
    rows: int, columns: int, blocks: int, depth: int, target: Target, panel: int = 0, narrow: bool = False
) -> tuple[int, int, int]:
    """The register tile with the least estimated cycles; arguments and result as of :func:`register_tiles`."""
    cycles = register_tiles(rows, columns, blocks, depth, target, panel, narrow)

    def key(tile: tuple[int, int, int]) -> tuple[float, int, int]:
        tile_rows, tile_columns, vectors = tile
        # Equal costs: the squarer tile moves less data from the caches.
        return cycles[tile], -tile_rows * tile_columns * vectors, -tile_columns

    return min(cycles, key=key)


def unroll_of(size: int, accumulators: int, lanes: int) -> int:
    """Input channels in one iteration: a divisor of ``size``.

    A whole block of lanes if it divides ``size``, as a block is contiguous and the next one is a plane away: addresses
    are then constants. Otherwise about 128 FMAs, which bury the loop's own instructions.
    """
    return lanes if size % lanes == 0 else largest_divisor(size, max(4, 128 // accumulators))


def _lane_unroll(size: int, pixels: int, vectors: int, panel: int, target: Target) -> int | None:
    """The same where products take a lane of a vector; None where ``size`` has no such divisor.

    One block of four channels is a short loop: four of them are as much as pays. Two, where all registers are taken or
    there is one pixel only, as LLVM then spills in loops of four or loads early, and where the loop would be over soon;
    and where kernels for several CPUs share the weights, whose order follows the unrolling.
    """
    spare = registers_needed(pixels, vectors, target) < target.vector_registers
    most = 4 if spare and pixels > 1 and size >= _STREAMED and not panel else 2
    return next((blocks * target.lanes for blocks in (most, 2) if size % (blocks * target.lanes) == 0), None)


def default_tile(w: Conv, target: Target) -> Tile:
    """The register tile, and the order of the loops argued from L2."""
    rows, columns = grid(w)
    vector = target.for_vectors(w.y.dtype, w.y.lanes)
    panel = shared_panel(w, vector)
    narrow = narrows(target)
    tile_rows, tile_columns, vectors = register_tile(rows, columns, w.y.blocks, products(w), vector, panel, narrow)
    size, _ = channel_window(w, vectors)
    weight_bytes = (
        DTYPE_BYTES[w.weights] * math.prod(w.window.size) * size * round_up(w.y.channels, vectors * w.y.lanes)
    )
    pixels_outer = weight_bytes <= target.l2_bytes // 4 and w.x.nbytes > target.l2_bytes // 8
    unroll = unroll_of(size, tile_rows * tile_columns * vectors, w.y.lanes)
    if target.lane_operands and w.y.lanes == target.lanes:
        unroll = _lane_unroll(size, tile_rows * tile_columns, vectors, panel, target) or unroll
    return Tile(tile_rows, tile_columns, vectors, unroll, pixels_outer, panel, narrow)
