"""Relax -> :class:`Program`: one operator after the other, each to a kernel workload in the layout that suits it.

Images stay blocked (NCHW[v]c) from the first convolution on; an operator with no kernel of its own takes plain tensors
and TVM's definition. A rule that does not fit returns None, and the next one is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from separable.compiler._tvm import relax, tvm
from separable.compiler.activations import match_activation
from separable.compiler.exprs import Array, constant, is_op, operands, per_channel, shape_of
from separable.compiler.graph import Graph
from separable.compiler.program import Program, Step, Value
from separable.schedules.tensor import Blocked, Plain
from separable.schedules.workload import (
    Conv,
    Depthwise,
    Dense,
    Elementwise,
    Generic,
    GlobalPool,
    Pool,
    Reorder,
    Resize,
    Softmax,
    Window,
    Workload,
)

Rule: TypeAlias = "Callable[[Lowering, relax.Var, relax.Call], Value | None]"

_BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
_VIEWS = ("reshape", "squeeze", "expand_dims")


def lower_graph(mod: tvm.IRModule, op_nodes: Mapping[str, str], lanes: int) -> Program:
    """Lower function ``main`` of a canonical module.

    Args:
        mod: the folded module; outputs are a tuple.
        op_nodes: ONNX node of each binding, by variable name.
        lanes: channels in one block of a blocked image.
    """
    lowering = Lowering(Graph.of(mod), op_nodes, lanes)
    for var, value in lowering.graph.bindings.items():
        lowering.values[var] = lowering.lower(var, value)
    for output in lowering.graph.outputs:
        lowering.program.outputs.append(lowering.as_output(output))
    return lowering.program


class Lowering:
    """The state of one lowering: the graph, the program so far, and where each Relax variable's value is."""

    def __init__(self, graph: Graph, op_nodes: Mapping[str, str], lanes: int) -> None:
        self.graph = graph
        self.op_nodes = op_nodes
        self.lanes = lanes
        self.values: dict[relax.Expr, Value] = {
            param: Value(param.name, Plain(shape_of(param), str(param.ty.dtype))) for param in graph.params
        }
        self.program = Program([self.values[param] for param in graph.params])
        self._blocked: dict[Value, Value] = {}
        self._plain: dict[tuple[Value, tuple[int, ...]], Value] = {}

    def lower(self, var: relax.Var, value: relax.Expr) -> Value:
        """The value of one binding; the first rule that fits decides how it is computed."""
        for rule in (*_RULES.get(value.op.name.removeprefix("relax."), ()), _activation, _generic):
            lowered = rule(self, var, value)
            if lowered is not None:
                return lowered
        raise AssertionError(f"no rule lowers {value}")

    def emit(
        self, var: relax.Var | str, workload: Workload, inputs: list[Value], constants: list[Array] | None = None
    ) -> Value:
        """Append a step and return its output."""
        name = var if isinstance(var, str) else var.name
        output = Value(name, workload.y)
        node = self.op_nodes.get(name, name)
        self.program.steps.append(Step((node,), workload, inputs, constants or [], output))
        return output

    def value_of(self, expr: relax.Expr) -> Value:
        """The value of a variable; a constant is an input of no rule but :func:`_generic`."""
        return self.values[expr]

    def image(self, expr: relax.Expr) -> tuple[Value, Blocked] | None:
        """A tensor [1, C, H, W] or [1, C] as a blocked image; None where it has another shape or dtype."""
        value, shape = self.values.get(expr), shape_of(expr)
        if value is None or expr.ty.dtype != "float32" or len(shape) not in (2, 4) or shape[0] != 1:
            return None
        return self.blocked(value, shape)

    def blocked_already(self, expr: relax.Expr) -> tuple[Value, Blocked] | None:
        """The value of a variable and its layout if that is blocked."""
        value = self.values.get(expr)
        return (value, value.tensor) if value is not None and isinstance(value.tensor, Blocked) else None

    def blocked(self, value: Value, shape: tuple[int, ...]) -> tuple[Value, Blocked]:
        """The same image blocked; a 1x1 image is the same in both layouts."""
        if isinstance(value.tensor, Blocked):
            return value, value.tensor
        channels, height, width = (*shape[1:], 1, 1)[:3]
        tensor = Blocked(channels, height, width, self.lanes)
        if value not in self._blocked:
            if height == width == 1 and value not in self.program.inputs:
                self._blocked[value] = Value(f"{value.name}_image", tensor, view_of=value)
            else:
                image = Plain((1, channels, height, width))
                source = value if value.tensor == image else Value(value.name, image, view_of=value)
                self._blocked[value] = self.emit(f"{value.name}_image", Reorder(image, tensor), [source])
        return self._blocked[value], tensor

    def plain(self, expr: relax.Expr, shape: tuple[int, ...] | None = None) -> Value:
        """A tensor as a plain one, of another ``shape`` if given."""
        value, shape = self.values[expr], shape or shape_of(expr)
        if value.tensor == Plain(shape, str(expr.ty.dtype)):
            return value
        key = (value, shape)
        if key not in self._plain:
            tensor = value.tensor
            if isinstance(tensor, Blocked) and (tensor.height, tensor.width) != (1, 1):
                image = Plain((1, tensor.channels, tensor.height, tensor.width))
                if (value, image.shape) not in self._plain:
                    self._plain[value, image.shape] = self.emit(f"{value.name}_plain", Reorder(tensor, image), [value])
                value = self._plain[value, image.shape]
            if key not in self._plain:
                self._plain[key] = Value(f"{value.name}_view", Plain(shape, str(expr.ty.dtype)), view_of=value)
        return self._plain[key]

    def as_output(self, expr: relax.Expr) -> Value:
        """A model output in memory that can be the caller's: dense, written by a step, not shared with another value."""
        shape, dtype = shape_of(expr), str(expr.ty.dtype)
        if (data := constant(expr)) is not None:
            raise AssertionError(f"constant output of shape {data.shape}")
        value = self.values[expr]
        taken = {output.root for output in self.program.outputs}
        tensor = value.tensor
        if isinstance(tensor, Blocked):
            image = Plain((1, tensor.channels, tensor.height, tensor.width))
            value = self.emit(f"{value.name}_plain", Reorder(tensor, image), [value])
            return value if image.shape == shape else Value(value.name, Plain(shape), view_of=value)
        root = value.root
        whole = isinstance(root.tensor, Plain) and root.tensor.nbytes == tensor.nbytes
        if root in self.program.inputs or root in taken or not whole:
            return self.emit(f"{value.name}_copy", Reorder(Plain(shape, dtype), Plain(shape, dtype)), [value])
        return value


def _conv2d(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    weight = constant(call.args[1])
    attrs = call.attrs
    if weight is None:
        return None
    pads = [int(pad) for pad in attrs.padding]
    window = Window(
        (weight.shape[2], weight.shape[3]),
        _pair(attrs.strides),
        _pair(attrs.dilation),
        (pads[0], pads[1]),
    )
    _, channels, height, width = shape_of(var)
    groups = int(attrs.groups)
    y = Blocked(channels, height, width, low.lanes)
    constants = [weight.astype(np.float32), np.zeros(channels, np.float32)]
    x = low.value_of(call.args[0])
    shape = shape_of(call.args[0])
    # Few channels: read them where the caller put them, instead of a layout change that would mostly move padding.
    if isinstance(x.tensor, Plain) and shape[1] < max(low.lanes, 5) and groups == 1 and shape[2:] != (1, 1):
        image = Plain(shape)
        source = x if x.tensor == image else Value(x.name, image, view_of=x)
        return low.emit(var, Conv(image, y, window), [source], constants)
    source, layout = low.blocked(x, shape)
    if shape[2:] == (1, 1) and any(pads):
        # A 1x1 image may share its memory with a plain tensor, which has no room for a halo: take a copy.
        view = low.plain(call.args[0], shape)
        source = low.emit(f"{var.name}_input", Reorder(Plain(shape), layout), [view])
    if groups == shape[1] == channels:
        return low.emit(var, Depthwise(layout, y, window), [source], constants)
    return low.emit(var, Conv(layout, y, window, groups), [source], constants)


def _matmul(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    weight = constant(call.args[1])
    shape = shape_of(call.args[0])
    if weight is None or weight.ndim != 2 or call.args[0] not in low.values:
        return None
    depth, columns = weight.shape
    rows = math.prod(shape[:-1])
    bias = np.zeros(columns, np.float32)
    if rows == 1:
        x = low.value_of(call.args[0])
        if not isinstance(x.tensor, Blocked) or x.tensor.channels != depth:
            x = low.plain(call.args[0])
        source, layout = low.blocked(x, (1, depth))
        y = Blocked(columns, 1, 1, low.lanes)
        kernel = np.ascontiguousarray(weight.T)[:, :, None, None]
        return low.emit(var, Conv(layout, y, Window((1, 1))), [source], [kernel, bias])
    x = low.plain(call.args[0], (rows, depth))
    product = low.emit(var, Dense(Plain((rows, depth)), Plain((rows, columns))), [x], [weight, bias])
    return product if shape_of(var) == (rows, columns) else Value(var.name, Plain(shape_of(var)), view_of=product)


def _binary(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Arithmetic on blocked images: with another image, a 1x1 image, or one number per channel."""
    matched = match_activation(call, low.graph)
    if matched is not None and low.blocked_already(matched[0]):
        return None
    name = call.op.name.removeprefix("relax.")
    left, right = call.args
    shape = shape_of(var)
    for first, second, swapped in ((left, right, False), (right, left, True)):
        image = low.blocked_already(first)
        if image is None or shape_of(first) != shape:
            continue
        x, layout = image
        factors = per_channel(second, shape)
        if factors is not None:
            workload = Elementwise(name, (layout,), _like(layout), constant=True, swapped=swapped)
            return low.emit(var, workload, [x], [factors.astype(np.float32)])
        size = shape_of(second) if second in low.values else None
        if size in (shape, (*shape[:2], 1, 1)) and (other := low.image(second)) is not None:
            workload = Elementwise(name, (layout, other[1]), _like(layout), swapped=swapped)
            return low.emit(var, workload, [x, other[0]])
    return None


def _activation(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    matched = match_activation(call, low.graph)
    image = low.blocked_already(matched[0]) if matched is not None else None
    if matched is None or image is None:
        return None
    x, layout = image
    return low.emit(var, Elementwise("identity", (layout,), _like(layout), activation=matched[1]), [x])


def _pool(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    attrs = call.attrs
    image = low.image(call.args[0])
    if image is None:
        return None
    kind = "max" if is_op(call, "nn.max_pool2d") else "avg"
    pads = [int(pad) for pad in attrs.padding]
    window = Window(_pair(attrs.pool_size), _pair(attrs.strides), _pair(attrs.dilation), (pads[0], pads[1]))
    _, channels, height, width = shape_of(var)
    y = Blocked(channels, height, width, low.lanes)
    return low.emit(var, Pool(kind, image[1], y, window, bool(attrs.count_include_pad)), [image[0]])


def _global_pool(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    axes = [int(axis) for axis in call.attrs.axis] if call.attrs.axis is not None else []
    if axes != [2, 3] or len(shape_of(call.args[0])) != 4 or (image := low.image(call.args[0])) is None:
        return None
    x, layout = image
    kind = "max" if is_op(call, "max") else "avg"
    return low.emit(var, GlobalPool(kind, layout, Blocked(layout.channels, 1, 1, low.lanes)), [x])


def _view(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    value = low.value_of(call.args[0])
    tensor, shape = value.tensor, shape_of(var)
    if isinstance(tensor, Blocked) and shape[:2] == (1, tensor.channels) and tensor.height == tensor.width == 1:
        return value
    return low.plain(call.args[0], shape)


def _permute(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    image = low.blocked_already(call.args[0])
    if image is None or [int(axis) for axis in call.attrs.axes or ()] != [0, 2, 3, 1]:
        return None
    return low.emit(var, Reorder(image[1], Plain(shape_of(var)), channels_last=True), [image[0]])


def _softmax(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    shape = shape_of(var)
    if int(call.attrs.axis) % len(shape) != len(shape) - 1:
        return None
    rows = Plain((math.prod(shape[:-1]), shape[-1]))
    y = low.emit(var, Softmax(rows, rows), [low.plain(call.args[0], rows.shape)])
    return y if rows.shape == shape else Value(var.name, Plain(shape), view_of=y)


def _concat(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Concatenation along the outermost axis that is not 1: its inputs become slices of its output."""
    fields = list(call.args[0].fields)
    shape = shape_of(var)
    axis = int(call.attrs.axis) % len(shape)
    if math.prod(shape[:axis]) != 1 or not all(field in low.values for field in fields):
        return None
    channels = [shape_of(field)[axis] for field in fields]
    images = len(shape) == 4 and axis == 1 and all(low.blocked_already(field) for field in fields)
    if images and all(count % low.lanes == 0 for count in channels[:-1]):
        output = Value(var.name, Blocked(shape[1], shape[2], shape[3], low.lanes))
        sources = [low.value_of(field) for field in fields]
        units = [count // low.lanes for count in channels]
    else:
        output = Value(var.name, Plain(shape, str(var.ty.dtype)))
        sources = [low.plain(field) for field in fields]
        units = [math.prod(shape_of(field)) for field in fields]
    offset = 0
    for source, size in zip(sources, units, strict=True):
        _place(low, source, output, offset)
        offset += size
    return output


def _place(low: Lowering, source: Value, output: Value, offset: int) -> None:
    """Make ``source`` the part of ``output`` from ``offset`` on: in place where its memory is still free to move."""
    root = source.root
    movable = (
        type(root.tensor) is type(output.tensor)
        and root.tensor.nbytes == source.tensor.nbytes
        and root not in low.program.inputs
        and any(step.output is root for step in low.program.steps)
    )
    if movable:
        root.view_of, root.offset = output, offset
        return
    part = Value(f"{source.name}_part", source.tensor, output, offset)
    if isinstance(source.tensor, Blocked):
        workload: Workload = Elementwise("identity", (source.tensor,), source.tensor)
    else:
        workload = Reorder(source.tensor, source.tensor)
    low.program.steps.append(Step((output.name,), workload, [source], [], part))


def _resize(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    attrs = call.attrs
    (_, _, height, width), (_, _, out_height, out_width) = shape_of(call.args[0]), shape_of(var)
    whole = out_height % height == 0 and out_width % width == 0
    mode, rounding = attrs.coordinate_transformation_mode, attrs.rounding_method
    floors = mode == "asymmetric" and rounding == "floor"
    # Between whole factors the centre of an output pixel never lies halfway between two input pixels.
    floors = floors or (whole and mode == "half_pixel" and rounding.startswith("round"))
    if attrs.method != "nearest_neighbor" or not floors or (image := low.image(call.args[0])) is None:
        return None
    x, layout = image
    return low.emit(var, Resize(layout, Blocked(layout.channels, out_height, out_width, low.lanes)), [x])


def _generic(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Any operator on plain tensors, as TVM's operator library defines it."""
    exprs = list(operands(call))
    tensors = [index for index, expr in enumerate(exprs) if expr in low.values]
    weights = {i: data for i, expr in enumerate(exprs) if (data := constant(expr)) is not None and data.size > 1}
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


def _like(image: Blocked) -> Blocked:
    """The layout of an elementwise result: as the operand, without its halo."""
    return Blocked(image.channels, image.height, image.width, image.lanes)


def _pair(values: object) -> tuple[int, int]:
    first, second = (int(value) for value in values)  # type: ignore[attr-defined]
    return first, second


_RULES: dict[str, tuple[Rule, ...]] = {
    "nn.conv2d": (_conv2d,),
    "matmul": (_matmul,),
    "nn.max_pool2d": (_pool,),
    "nn.avg_pool2d": (_pool,),
    "mean": (_global_pool,),
    "max": (_global_pool,),
    "nn.softmax": (_softmax,),
    "concat": (_concat,),
    "image.resize2d": (_resize,),
    "permute_dims": (_permute,),
    **dict.fromkeys(_BINARY, (_binary,)),
    **dict.fromkeys(_VIEWS, (_view,)),
}
