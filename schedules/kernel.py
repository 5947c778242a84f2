"""What every schedule file returns, and the few scheduling steps they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import tvm_ffi
from numpy.typing import NDArray
from tvm import s_tir, te, tirx
from tvm.s_tir.stmt import SBlock

from separable.schedules.tensor import Blocked, Tensor
from separable.targets.row import Target

Array: TypeAlias = NDArray[np.float32]
"""Constants; packed ones may be float16."""

PREFETCH = "separable.prefetch"
"""Annotation of a reduction loop: panels of the weights, the kernel's parameter W, and how many items use one of them.

While they do, the loop prefetches the next panel."""

NARROW = "separable.narrow"
"""Annotation of a loop over register tiles: ``[stride, tiles, first]``. Of iteration ``i`` tile ``i // stride % tiles``
is computed; from the ``first`` one on, tiles lack the last iteration of each loop annotated ``COLUMNS``."""

COLUMNS = "separable.columns"
"""Annotation of a loop over the columns of a register tile."""

PARTS = "separable.parts"
"""Annotation of loops in an item: how many parts threads may share it in. A part is the same share of each such loop;
what else is in the item is computed by all who compute parts of it."""

STORES_AHEAD = "separable.stores_ahead"
"""Annotation of a loop over columns that stores a vector for each: lines that will be stored to are asked for early."""

_WORTH_A_BODY = 0.01
"""What share of a layer's columns must otherwise be computed twice for some tiles to be narrower."""

IndexMap: TypeAlias = Callable[..., Sequence[tirx.Expr]]


@dataclass(frozen=True)
class Kernel:
    """A scheduled kernel.

    Attributes:
        func: the scheduled PrimFunc; its outermost loop is ``parallel``; its last parameter is the output.
        output_shape: shape of the buffer behind the output parameter.
        store_at: maps the index of an output element in ``func`` to its index in that buffer.
        tile: what the schedule was made with, for the log and ``inspect``.
    """

    func: tirx.PrimFunc
    output_shape: tuple[int, ...]
    store_at: IndexMap
    tile: object


def same_index(*index: tirx.Expr) -> Sequence[tirx.Expr]:
    """The index map of an output that is stored as it is computed."""
    return index


def into_halo(y: Blocked) -> IndexMap:
    """Index map from [block, y, x, c] to the buffer of ``y`` with its halo."""

    def store_at(block: tirx.Expr, row: tirx.Expr, column: tirx.Expr, lane: tirx.Expr) -> Sequence[tirx.Expr]:
        return block, row + y.halo.top, column + y.halo.left, lane

    return store_at


def placeholder(tensor: Tensor, name: str) -> te.Tensor:
    """A TE input with the shape of the buffer of ``tensor``."""
    return te.placeholder(tensor.shape, name=name, dtype=tensor.dtype)


def as_dtype(value: Any, dtype: str) -> tirx.Expr:
    """A value, or an element of a TE tensor, in a dtype; as it is where it has that already."""
    expr = value.asobject() if isinstance(value, te.tensor.TensorSlice) else value
    return value if str(expr.ty.dtype) == dtype else expr.astype(dtype)


def unroll_all(sch: s_tir.Schedule, loops: Sequence[s_tir.schedule.LoopRV]) -> None:
    """Unroll each of these loops."""
    for loop in loops:
        sch.unroll(loop)


def unroll_and_vectorize(sch: s_tir.Schedule, loops: Sequence[s_tir.schedule.LoopRV]) -> None:
    """Unroll all of these loops but the innermost, which becomes one vector; none is left if all had one iteration."""
    unroll_all(sch, loops[:-1])
    for innermost in loops[-1:]:
        sch.vectorize(innermost)


def share_in_parts(sch: s_tir.Schedule, loop: s_tir.schedule.LoopRV, parts: int) -> None:
    """Let threads share an item in parts, each a share of this loop of at least ``parts`` iterations."""
    if parts > 1:
        sch.annotate(loop, PARTS, parts)


def stores_ahead(x: Tensor, y: Tensor, target: Target) -> bool:
    """Whether a kernel that computes little for each store shall ask for its lines early: if they are not near.

    Half of L2 holds what both images need otherwise. On Arm it was never measured, and in-order cores pay for each
    instruction.
    """
    return not target.lane_operands and x.nbytes + y.nbytes > target.l2_bytes // 2


def initialise_before(sch: s_tir.Schedule, block: s_tir.schedule.SBlockRV, reduction: s_tir.schedule.LoopRV) -> None:
    """Move the initialisation of a reduction in front of its outermost reduction loop, unrolled and vectorised."""
    depth = [sch.get(loop).loop_var for loop in sch.get_loops(block)].index(sch.get(reduction).loop_var)
    init = sch.decompose_reduction(block, reduction)
    unroll_and_vectorize(sch, sch.get_loops(init)[depth:])


def block_of(image: Blocked, plane: tirx.Expr) -> tirx.Expr:
    """The channel block that a plane of the buffer holds."""
    return plane if image.images == 1 else tirx.floordiv(plane, image.images)


def start_sums_at(func: tirx.PrimFunc, name: str, parameter: int, images: int = 1) -> tirx.PrimFunc:
    """Let the sums of block ``name`` start at the bias, a parameter [block, lane], instead of at zero.

    The sums are indexed [plane, ..., lane], with ``images`` planes of each block. It saves an addition for each of
    them; TE itself starts reductions at constants only.
    """
    bias = func.params[parameter]

    def start(block: SBlock) -> SBlock:
        if block.name_hint != name:
            return block
        first, last = block.init.indices[0], block.init.indices[-1]
        index = first if images == 1 else tirx.floordiv(first, images)
        init = tirx.BufferStore(block.init.buffer, tirx.BufferLoad(bias, [index, last]), block.init.indices)
        fields = block.iter_vars, block.reads, block.writes, block.name_hint, block.body, init, block.alloc_buffers
        return SBlock(*fields, block.match_buffers, block.annotations)

    return func.with_body(tvm_ffi.structural_map(func.body, [(SBlock, start)]))


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that is not below ``value``."""
    return -(-value // multiple) * multiple


def overlapped(index: tirx.Expr, size: int, extent: int) -> tirx.Expr:
    """Where chunk ``index`` of ``size`` elements starts in ``extent >= size`` elements.

    The last chunk moves back over its predecessor instead of sticking out, so that all chunks are whole; what both
    cover is computed twice, to the same values.
    """
    start = index * size
    return start if extent % size == 0 else tirx.min(start, extent - size)


def spread(index: tirx.Expr, size: int, extent: int) -> tirx.Expr:
    """Where tile ``index`` of ``size`` columns starts in ``extent >= size``, if the last tiles may be one narrower."""
    first, tiles = narrow_from(size, extent), -(-extent // size)
    return overlapped(index, size, extent) if first == tiles else tirx.min(index * size, index * (size - 1) + first)


def narrow_from(size: int, extent: int) -> int:
    """The first tile of :func:`spread` that is one column narrower; the number of tiles if none is.

    98 columns in tiles of 6 are 13 tiles of 6 and 4 of 5: nothing is computed twice. The last tile overlaps the one
    before it instead where less than a hundredth would be computed twice, which a second body in the code is not worth,
    and where one column less is too much, or right for all tiles.
    """
    tiles = -(-extent // size)
    lacking = tiles * size - extent
    return tiles - lacking if _WORTH_A_BODY * extent < lacking < tiles and size > 1 else tiles


def walked_columns(size: int, extent: int) -> int:
    """Columns of all tiles of :func:`spread` together: ``extent`` and what two tiles compute both."""
    tiles = -(-extent // size)
    return tiles * size if narrow_from(size, extent) == tiles else extent


def largest_divisor(extent: int, limit: int) -> int:
    """The largest divisor of ``extent`` that is not above ``limit``."""
    return max(divisor for divisor in range(1, max(1, min(extent, limit)) + 1) if extent % divisor == 0)
