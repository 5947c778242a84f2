"""``a + b * c => float16(float32(a) + float32(b) * float32(c))``: float16 arithmetic without instructions for it.

Other operations likewise, each with one rounding. LLVM would round a product before it is added; where the instructions
exist, a multiply-add rounds once. For targets that only study float16 (``targets/emulation.py``); a function without
float16 stays as it is.
"""

from __future__ import annotations

import tvm_ffi
from tvm import tirx

_ROUNDED = (tirx.Add, tirx.Sub, tirx.Mul, tirx.Div)


def emulate_half(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Rewrite a function whose loops are vectorised."""
    if not any(str(param.ty.dtype) == "float16" for param in func.params):
        return func

    def rewrite(expr: tirx.Expr) -> tirx.Expr:
        dtype = str(expr.ty.dtype)
        if not dtype.startswith("float16"):
            return expr
        return type(expr)(_widened(expr.a), _widened(expr.b)).astype(dtype)

    return func.with_body(tvm_ffi.structural_map(func.body, [(kind, rewrite) for kind in _ROUNDED]))


def _widened(expr: tirx.Expr) -> tirx.Expr:
    """A float16 value as float32; a product that was rewritten as it was before it was rounded."""
    if isinstance(expr, tirx.Cast) and isinstance(expr.value, tirx.Mul):
        return expr.value
    return expr.astype(str(expr.ty.dtype).replace("float16", "float32"))
