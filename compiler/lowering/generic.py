"""Operators without a kernel of their own: plain tensors, and TVM's operator library."""

from __future__ import annotations

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import constant, operands, shape_of
from separable.compiler.lowering.state import Lowering
from separable.compiler.program import Value
from separable.schedules.tensor import Plain
from separable.schedules.workload import Generic


def lower_generic(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Any operator on plain tensors, as TVM's operator library defines it."""
    exprs = list(operands(call))
    tensors = [index for index, expr in enumerate(exprs) if expr in low.values]
    # TVM writes scalars into the code; whatever has a dimension must be handed in.
    weights = {i: data for i, expr in enumerate(exprs) if (data := constant(expr)) is not None and data.ndim}
    func = _legalize(call, [*tensors, *weights])
    inputs = [low.plain(exprs[index]) for index in tensors]
    plains = tuple(Plain(shape_of(exprs[index]), str(exprs[index].ty.dtype)) for index in (*tensors, *weights))
    workload = Generic(plains, Plain(shape_of(var), str(var.ty.dtype)), func.script(), func)
    return low.emit(var, workload, inputs, list(weights.values()))


def _legalize(call: relax.Call, positions: list[int]) -> tvm.tirx.PrimFunc:
    """The PrimFunc of one operator; its inputs are the operands at these positions, in this order.

    An operand that occurs twice becomes two inputs: TVM's definitions are unsound with one.
    """
    exprs = list(operands(call))
    parameters = {index: relax.Var(f"x{number}", exprs[index].ty) for number, index in enumerate(positions)}
    slots = iter([parameters.get(index, expr) for index, expr in enumerate(exprs)])
    args = [
        relax.Tuple([next(slots) for _ in arg.fields]) if isinstance(arg, relax.Tuple) else next(slots)
        for arg in call.args
    ]
    builder = relax.BlockBuilder()
    with builder.function("main", list(parameters.values())):
        builder.emit_func_output(builder.emit(relax.Call(call.op, args, call.attrs, call.ty_args)))
    mod = relax.transform.LegalizeOps()(builder.get())
    main = mod["main"]
    (binding,) = main.body.blocks[0].bindings
    func = mod[binding.value.args[0]]
    passed = list(binding.value.args[1].fields)
    order = [next(i for i, arg in enumerate(passed) if arg.same_as(param)) for param in main.params]
    return tvm.tirx.PrimFunc(
        [*(func.params[index] for index in order), func.params[-1]], func.body, func.ret_type, func.attrs
    )
