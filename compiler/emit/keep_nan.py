"""Comparisons of floats that return NaN where their variable operand is NaN, as ONNX does.

TVM's own comparison and selection return their second operand then. So a constant comes first: ``max(x, 0) =>
max(0, x)``, which is one instruction on x86. On 64-bit Arm that is one only where NaN is dropped, but
``llvm.maximum(x, 0)`` is, which returns NaN whichever operand is.
"""

from __future__ import annotations

import tvm_ffi
from tvm import tirx

_INTRINSICS = {tirx.Max: "llvm.maximum", tirx.Min: "llvm.minimum"}


def keep_nan(func: tirx.PrimFunc, by_intrinsic: bool) -> tirx.PrimFunc:
    """Rewrite a function whose loops are vectorised, with LLVM's intrinsics or with constants that come first."""

    def rewrite(expr: tirx.Expr) -> tirx.Expr:
        dtype = str(expr.ty.dtype)
        if not dtype.startswith("float"):
            return expr
        if by_intrinsic:
            return tirx.call_llvm_pure_intrin(dtype, _INTRINSICS[type(expr)], expr.a, expr.b)
        return type(expr)(expr.b, expr.a) if _is_constant(expr.b) else expr

    return func.with_body(tvm_ffi.structural_map(func.body, [(kind, rewrite) for kind in _INTRINSICS]))


def _is_constant(expr: tirx.Expr) -> bool:
    return isinstance(expr.value if isinstance(expr, tirx.Broadcast) else expr, tirx.FloatImm)
