"""``f(x) => x`` for every ``f`` that changes nothing, and ``g(f(x)) => h(x)`` for reshapes and transposes in a row."""

from __future__ import annotations

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import is_op, shape_of
from separable.compiler.graph import Graph, rewrite

op = relax.op

# These change nothing if and only if they keep the shape.
_SHAPE_TELLS = ("strided_slice", "nn.pad", "concat", "image.resize2d")


def drop_identities(mod: tvm.IRModule) -> tvm.IRModule:
    """Remove operations that copy their operand unchanged.

    Slices have positive steps and pads no negative width, as the importer makes sure.
    """
    return rewrite(mod, _rule)


def _rule(value: relax.Expr, graph: Graph) -> relax.Expr:
    if is_op(value, "reshape"):
        return _merge_reshapes(value, graph)
    if is_op(value, "permute_dims"):
        return _merge_transposes(value, graph)
    if is_op(value, *_SHAPE_TELLS):
        data = value.args[0].fields[0] if is_op(value, "concat") else value.args[0]
        return data if shape_of(value) == shape_of(data) else value
    return value


def _merge_reshapes(value: relax.Call, graph: Graph) -> relax.Expr:
    inner = graph.definition(value.args[0])
    data = inner.args[0] if is_op(inner, "reshape") else value.args[0]
    if shape_of(data) == shape_of(value):
        return data
    return value if data.same_as(value.args[0]) else op.reshape(data, value.args[1])


def _merge_transposes(value: relax.Call, graph: Graph) -> relax.Expr:
    data, axes = value.args[0], [int(axis) for axis in value.attrs.axes]
    inner = graph.definition(data)
    if is_op(inner, "permute_dims"):
        data, axes = inner.args[0], [int(inner.attrs.axes[axis]) for axis in axes]
    if axes == sorted(axes):
        return data
    return value if data.same_as(value.args[0]) else op.permute_dims(data, axes)
