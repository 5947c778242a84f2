"""``items [begin, end) => parts [begin, end) of items``: what a thread computes of an item, where others do the rest.

Items that prepare much for themselves, as the sums of a panel's weights, are long and few, and threads would wait for
whoever computes the last one. Whole items are still computed at once; an item that threads share is prepared by each.
"""

from __future__ import annotations

import tvm_ffi
from tvm import tirx

from separable.compiler.emit.rebuilt import rebuilt
from separable.schedules.kernel import PARTS


def parts_of(body: tirx.Stmt) -> int:
    """How many parts an item has: 1 if none of its loops is annotated."""
    parts = {1}

    def visit(loop: tirx.For) -> None:
        parts.add(int(loop.annotations.get(PARTS, 1)))

    tvm_ffi.structural_walk(body, [(tirx.For, visit)])
    return max(parts)


def only_parts(body: tirx.Stmt, parts: int, begin: tirx.Expr, end: tirx.Expr) -> tirx.Stmt:
    """Let the annotated loops of an item run over their share of its parts that are in [begin, end).

    Args:
        body: the item.
        parts: how many it has.
        begin: the first part to compute, counted from the item's first; below it if that was in an earlier item.
        end: where to stop, counted in the same way; beyond ``parts`` if that is in a later item.
    """
    first, last = tirx.max(begin, 0), tirx.min(end, parts)

    def narrowed(loop: tirx.For) -> tirx.For:
        if PARTS not in loop.annotations:
            return loop
        start, stop = (tirx.truncdiv(part * int(loop.extent), parts) for part in (first, last))
        return rebuilt(loop, loop.body, PARTS, start=start, extent=stop - start)

    return tvm_ffi.structural_map(body, [(tirx.For, narrowed)])
