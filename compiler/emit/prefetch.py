"""``panel p => panel p, with panel p + 1 on its way into L2``.

A layer reads its weights once, panel by panel, and nobody has touched them since the last inference: they come from the
last cache or from memory. While one panel is used for all pixels, each step of its reduction loop asks for the next few
cache lines of the following panel, so that the arithmetic never waits for them.
"""

from __future__ import annotations

import math

import tvm_ffi
from tvm import tirx

from separable.compiler.emit.rebuilt import rebuilt
from separable.schedules.kernel import PREFETCH
from separable.schedules.tensor import DTYPE_BYTES, LINE_BYTES

_LARGEST_PRODUCT = 2**30
_INTO_L1, _INTO_L2, _DATA = 3, 2, 1  # arguments of llvm.prefetch


def prefetch_panels(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Add prefetches of the next weight panel to the annotated reduction loops of a kernel."""
    weights = next((parameter for parameter in func.params if parameter.name == "W"), None)
    if weights is None:
        return func
    elements = math.prod(int(dim) for dim in weights.ty.shape)
    per_line = LINE_BYTES // DTYPE_BYTES[str(weights.ty.dtype)]

    def add_prefetch(loop: tirx.For, item_loop: tirx.For) -> tirx.For:
        if PREFETCH not in loop.annotations:
            return loop
        panels, items_per_panel = (int(number) for number in loop.annotations[PREFETCH])
        panel_elements = elements // panels
        panel = tirx.floordiv(item_loop.loop_var, items_per_panel)
        position, passes = tirx.floormod(item_loop.loop_var, items_per_panel), items_per_panel
        for around in _loops_around(loop, item_loop)[:-1]:
            position, passes = position * int(around.extent) + around.loop_var, passes * int(around.extent)
        # Indices have 32 bits: of very many passes, a few in a row ask for the same.
        alike = math.ceil(panel_elements * passes / _LARGEST_PRODUCT)
        if alike > 1:
            position, passes = tirx.floordiv(position, alike), passes // alike
        following = panel + 1
        if int(item_loop.extent) > panels * items_per_panel:
            # After an image's last panel comes the next one's first.
            following = tirx.floormod(following, panels)
        first = following * panel_elements + tirx.floordiv(position * panel_elements, passes)
        # What one step asks for: its share of the panel, in whole cache lines. Constant, so that the loop adds only.
        stride = math.ceil(panel_elements / passes / int(loop.extent))
        first = first + loop.loop_var * stride
        asks = [ask_for(weights, first + line) for line in range(0, stride, per_line)]
        return rebuilt(loop, tirx.stmt_seq(*asks, loop.body), PREFETCH)

    def visit(item_loop: tirx.For) -> tirx.For:
        if item_loop.kind != tirx.ForKind.PARALLEL:
            return item_loop
        body = tvm_ffi.structural_map(item_loop.body, [(tirx.For, lambda loop: add_prefetch(loop, item_loop))])
        return rebuilt(item_loop, body)

    return func.with_body(tvm_ffi.structural_map(func.body, [(tirx.For, visit)]))


def _loops_around(loop: tirx.For, item_loop: tirx.For) -> list[tirx.For]:
    """The loops inside of an item down to ``loop`` itself, outermost first: all of them run before the item is over."""
    around: list[tirx.For] = []

    def visit(candidate: tirx.For) -> None:
        inside: list[tirx.For] = []
        tvm_ffi.structural_walk(candidate, [(tirx.For, inside.append)])
        if any(inner.loop_var.same_as(loop.loop_var) for inner in inside):
            around.append(candidate)

    tvm_ffi.structural_walk(item_loop.body, [(tirx.For, visit)], order="pre")
    return around


def ask_for(buffer: tirx.Var, element: tirx.Expr, write: bool = False) -> tirx.Stmt:
    """Fetch the line of an element of a buffer, numbered from its first one: into L2, or into L1 to write to it."""
    flat = [*([0] * (len(buffer.ty.shape) - 1)), element]
    address = tirx.address_of(tirx.BufferLoad(buffer, flat))
    flags = [tirx.const(value, "int32") for value in (int(write), _INTO_L1 if write else _INTO_L2, _DATA)]
    return tirx.Evaluate(tirx.call_llvm_intrin("void", "llvm.prefetch", address, *flags))
