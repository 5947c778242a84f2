"""``max(a, b) => llvm.maximum(a, b)`` on Arm: one instruction that returns NaN where an operand is NaN, as ONNX does.

TVM's own comparison and selection return their second operand then. That is one instruction on x86, whatever they
compare, but on Arm only where the first operand is a constant and NaN is dropped.
"""

from __future__ import annotations

import tvm_ffi
from tvm import tirx

_INTRINSICS = {tirx.Max: "llvm.maximum", tirx.Min: "llvm.minimum"}


def keep_nan(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Rewrite a function whose loops are vectorised."""

    def rewrite(expr: tirx.Expr) -> tirx.Expr:
        dtype = str(expr.ty.dtype)
        if not dtype.startswith("float"):
            return expr
        return tirx.call_llvm_pure_intrin(dtype, _INTRINSICS[type(expr)], expr.a, expr.b)

    return func.with_body(tvm_ffi.structural_map(func.body, [(kind, rewrite) for kind in _INTRINSICS]))
