"""Operators that Relax lacks, registered with it under the prefix ``separable.``.

Each has a function that builds a call, and the rule that infers its type. An operator that TVM's expressions can state
has a definition as well, for tensors that no kernel of ours takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import shape_of
from separable.schedules.math import power

_BUILTIN_LEVEL = 15


def _register(name: str, infer: Callable[[relax.Call], relax.Type], legalize: Any = None) -> tvm.ir.Op:
    full = f"separable.{name}"
    tvm.ir._ffi_api.RegisterOp(full, "")
    tvm.ir.register_op_attr(full, "FPurity", True, _BUILTIN_LEVEL)
    tvm.ir.register_op_attr(full, "FInferType", lambda call, context: infer(call), _BUILTIN_LEVEL)
    if legalize is not None:
        tvm.ir.register_op_attr(full, "FLegalize", legalize, _BUILTIN_LEVEL)
    return tvm.ir.Op.get(full)


def _call(op: tvm.ir.Op, *operands: relax.Expr, **attributes: object) -> relax.Call:
    return relax.Call(op, list(operands), tvm.ir.make_node("ir.DictAttrs", **attributes))


def _lrn_definition(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    size, alpha, beta, bias = (call.attrs[name] for name in ("size", "alpha", "beta", "bias"))
    before = (size - 1) // 2

    def compute(x: Any) -> Any:
        te, tirx = tvm.te, tvm.tirx
        channels = x.shape[1]
        step = te.reduce_axis((0, size), "j")

        def square(n: Any, c: Any, *pixel: Any) -> Any:
            inside = tirx.all(c >= before, c < channels + before)
            value = x(n, tirx.max(tirx.min(c - before, channels - 1), 0), *pixel)
            return tirx.if_then_else(inside, value * value, tirx.const(0.0, "float32"))

        shape = (x.shape[0], channels + size - 1, *x.shape[2:])
        squares = te.compute(shape, square, name="squares")
        sums = te.compute(x.shape, lambda n, c, *pixel: te.sum(squares(n, c + step, *pixel), axis=step), name="sums")
        return te.compute(x.shape, lambda *i: x(*i) / power(sums(*i) * (alpha / size) + bias, beta), name="Y")

    return builder.call_te(compute, call.args[0], primfunc_name_hint="lrn")


_LRN = _register("lrn", lambda call: call.args[0].ty, _lrn_definition)


def lrn(x: relax.Expr, size: int, alpha: float, beta: float, bias: float) -> relax.Call:
    """``x / (bias + alpha / size * s) ** beta``, s the sum of squares of ``size`` neighbouring channels (axis 1).

    The window of channel c begins at ``c - (size - 1) // 2`` and ends with the tensor (ONNX ``LRN``).
    """
    return _call(_LRN, x, size=size, alpha=alpha, beta=beta, bias=bias)


def _top_k_type(call: relax.Call) -> relax.Type:
    return relax.TensorType((*shape_of(call.args[0])[:-1], call.attrs["k"]), "int64")


_TOP_K = _register("top_k", _top_k_type)


def top_k(x: relax.Expr, k: int, largest: bool) -> relax.Call:
    """Indices int64 [..., k] of the ``k`` largest or smallest elements along the last axis, the best first.

    Of equal elements the one with the lower index comes first.
    """
    return _call(_TOP_K, x, k=k, largest=largest)


_SUPPRESS = _register("suppress", lambda call: call.args[1].ty)


def suppress(
    boxes: relax.Expr, scores: relax.Expr, limit: int, overlap: float, threshold: float | None, centred: bool
) -> relax.Call:
    """Scores [n, classes, count] with zeros for all boxes that ONNX's NonMaxSuppression does not select.

    Args:
        boxes: [n, count, 4].
        scores: [n, classes, count].
        limit: most boxes that are kept of a class.
        overlap: intersection over union above which two boxes are one.
        threshold: scores up to this are zero as well; None keeps all.
        centred: whether a box is its centre and its size, else two opposite corners.
    """
    settings = {"limit": limit, "overlap": overlap, "centred": centred, "filtered": threshold is not None}
    return _call(_SUPPRESS, boxes, scores, threshold=threshold or 0.0, **settings)
