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
    """All blocks under one parallel loop over as many outer loops of the output as it takes to compute nothing twice."""
    *_, output = _blocks(sch)
    kinds, loops = _kinds(sch, output), sch.get_loops(output)
    spatial = [loop for loop, kind in zip(loops, kinds, strict=False) if kind == tirx.IterVar.DataPar]
    longer = [index for index, loop in enumerate(spatial) if _extent(sch, loop) > 1]
    if not longer:
        return None
    last = longer[-1]
    for depth in range(last, -1, -1):
        if math.prod(_extent(sch, loop) for loop in spatial[:depth]) > 1:
            trial = _fuse_items(sch, depth)
        elif depth == last:
            trial = _split_items(sch, depth, tile)
        else:
            break
        if trial is not None:
            return trial
    return None
