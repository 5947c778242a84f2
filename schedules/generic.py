"""Any operator of TVM's operator library on plain tensors: inlined, parallel, vectorised.

    Y = f(X, ...)            f: the PrimFunc that the library defines, without a schedule

What can be inlined is inlined. If all blocks that remain can share their outer loops, those are the items, and what one
item hands from block to block stays in cache; otherwise the kernel is a single item. Inside an item, the last spatial
loop of every block is a vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV, SBlockRV, ScheduleError

from separable.schedules.kernel import Kernel, initialise_before, largest_divisor, same_index, unroll_and_vectorize
from separable.schedules.workload import Generic
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """How the last spatial axis is cut.

    Attributes:
        lanes: elements of a vector; a divisor of the axis up to this is taken.
        vectors: vectors that a reduction runs over at once, likewise.
    """

    lanes: int
    vectors: int


def default_tile(target: Target) -> Tile:
    """Full vectors; in a reduction as many as hide the latency of an addition, within half of the registers."""
    return Tile(target.lanes, min(target.fma_per_cycle * target.fma_latency, target.vector_registers // 2))


def schedule(func: tirx.PrimFunc, tile: Tile) -> s_tir.Schedule:
    """Inline, find items, vectorise."""
    sch = s_tir.Schedule(func)
    for block in _blocks(sch)[:-1]:
        with suppress(ScheduleError):
            sch.compute_inline(block)
    # The output is only written: a reduction sums up in memory of its own.
    *_, output = _blocks(sch)
    if any(kind != tirx.IterVar.DataPar for kind in _kinds(sch, output)):
        sch.cache_write(output, 0, "global")
    shared = _share_items(sch, tile)
    sch, items = (shared, 1) if shared is not None else (sch, 0)
    for block in _blocks(sch):
        with suppress(ScheduleError):
            _vectorize(sch, block, sch.get_loops(block)[items:], tile)
    return sch


def build(w: Generic, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(target)
    sch = schedule(w.func, tile)
    return Kernel(sch.mod["main"], w.y.shape, same_index, tile)


def _blocks(sch: s_tir.Schedule) -> list[SBlockRV]:
    """The blocks in the order of their execution; the last one computes the output."""
    return list(sch.get_child_blocks(sch.get_sblock("root")))


def _kinds(sch: s_tir.Schedule, block: SBlockRV) -> list[int]:
    """``IterVar.DataPar`` or another kind for each axis of a block; its loops come in the same order."""
    return [int(axis.iter_type) for axis in sch.get(block).iter_vars]


def _extent(sch: s_tir.Schedule, loop: LoopRV) -> int:
    return int(sch.get(loop).extent)


def _iterations(sch: s_tir.Schedule, block: SBlockRV) -> int:
    return math.prod(_extent(sch, loop) for loop in sch.get_loops(block))


def _share_items(sch: s_tir.Schedule, tile: Tile) -> s_tir.Schedule | None:
    """All blocks under one parallel loop, fused from as many outer loops of the output as leave nothing computed twice.

    The last spatial loop stays inside, for vectors; where it is the only one, its vectors are the items.
    """
    *_, output = _blocks(sch)
    spatial = sum(kind == tirx.IterVar.DataPar for kind in _kinds(sch, output))
    extents = [_extent(sch, loop) for loop in sch.get_loops(output)[:spatial]]
    last = max((index for index, extent in enumerate(extents) if extent > 1), default=0)
    cuts = [(depth, 1) for depth in range(last, 0, -1) if math.prod(extents[:depth]) > 1]
    if not cuts and extents:
        cuts = [(last + 1, largest_divisor(extents[last], tile.lanes))]
    trials = (_under_items(sch, depth, chunk) for depth, chunk in cuts)
    return next((trial for trial in trials if trial is not None), None)


def _under_items(sch: s_tir.Schedule, depth: int, chunk: int) -> s_tir.Schedule | None:
    """All blocks under the outer ``depth`` loops of the output, the last of them in chunks; None if that costs work."""
    sch = sch.copy()
    *producers, output = _blocks(sch)
    work = {sch.get(block).name_hint: _iterations(sch, block) for block in producers}
    loops = sch.get_loops(output)[:depth]
    if chunk > 1:
        loops[-1], _ = sch.split(loops[-1], [None, chunk])
    item = sch.fuse(*loops)
    try:
        for block in reversed(producers):
            sch.compute_at(block, item, preserve_unit_loops=True)
        sch.parallel(item)
    except ScheduleError:
        return None
    return sch if all(_iterations(sch, block) == work[sch.get(block).name_hint] for block in producers) else None


def _vectorize(sch: s_tir.Schedule, block: SBlockRV, loops: Sequence[LoopRV], tile: Tile) -> None:
    """Make the last spatial loop a vector, with the reduction around it."""
    kinds = _kinds(sch, block)[-len(loops) :] if loops else []
    spatial = [
        loop for loop, kind in zip(loops, kinds, strict=True) if kind == tirx.IterVar.DataPar and _extent(sch, loop) > 1
    ]
    reduction = [loop for loop, kind in zip(loops, kinds, strict=True) if kind == tirx.IterVar.CommReduce]
    if not spatial:
        return
    extent = _extent(sch, spatial[-1])
    lanes = largest_divisor(extent, tile.lanes)
    vectors = largest_divisor(extent // lanes, tile.vectors) if reduction else 1
    _, vector, lane = sch.split(spatial[-1], [None, vectors, lanes])
    if not reduction:
        sch.vectorize(lane)
        return
    sch.reorder(*reduction, vector, lane)
    unroll_and_vectorize(sch, [vector, lane])
    initialise_before(sch, block, reduction[0])
