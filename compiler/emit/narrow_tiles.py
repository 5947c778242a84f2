"""``tile t => tile t, of all its columns or of all but the last``.

98 pixels in tiles of six are seventeen tiles if the last four of them have five pixels: nothing is computed twice, as
it is where the last tile moves back over its predecessor. Both widths are straight-line code.
"""

from __future__ import annotations

import tvm_ffi
from tvm import tirx

from separable.compiler.emit.rebuilt import rebuilt
from separable.schedules.kernel import COLUMNS, NARROW


def narrow_tiles(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Give each annotated loop over register tiles a second body, one column narrower, for its last tiles."""

    def two_widths(loop: tirx.For) -> tirx.For:
        if NARROW not in loop.annotations:
            return loop
        stride, tiles, first = (int(number) for number in loop.annotations[NARROW])
        if first == tiles:
            return rebuilt(loop, loop.body, NARROW)
        narrow = tvm_ffi.structural_map(loop.body, [(tirx.For, _without_last_column)])
        tile = tirx.floormod(tirx.floordiv(loop.loop_var, stride), tiles)
        return rebuilt(loop, tirx.IfThenElse(tile < first, loop.body, narrow), NARROW)

    body = tvm_ffi.structural_map(func.body, [(tirx.For, two_widths)])
    return func.with_body(tvm_ffi.structural_map(body, [(tirx.For, _unmarked)]))


def _without_last_column(loop: tirx.For) -> tirx.For:
    return rebuilt(loop, loop.body, COLUMNS, extent=loop.extent - 1) if COLUMNS in loop.annotations else loop


def _unmarked(loop: tirx.For) -> tirx.For:
    return rebuilt(loop, loop.body, COLUMNS) if COLUMNS in loop.annotations else loop
