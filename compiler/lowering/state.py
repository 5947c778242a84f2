"""Where every Relax variable is while a graph is lowered, and the changes of layout between operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from separable.compiler._tvm import relax
from separable.compiler.errors import UnsupportedOp
from separable.compiler.exprs import Array, shape_of
from separable.compiler.graph import Graph
from separable.compiler.program import Program, Step, Value
from separable.schedules.tensor import Blocked, Plain
from separable.schedules.workload import Reorder, Workload

Rule: TypeAlias = "Callable[[Lowering, relax.Var, relax.Call], Value | None]"
"""Appends the steps of one binding and returns its value; None if the rule does not fit."""


class Lowering:
    """The state of one lowering: the graph, the program so far, and where each Relax variable's value is."""

    def __init__(self, graph: Graph, op_nodes: Mapping[str, str], lanes: int, dtype: str = "float32") -> None:
        self.graph = graph
        self.op_nodes = op_nodes
        self.lanes = lanes
        self.dtype = dtype
        self.values: dict[relax.Expr, Value] = {
            param: Value(param.name, Plain(shape_of(param), str(param.ty.dtype))) for param in graph.params
        }
        self.program = Program([self.values[param] for param in graph.params])
        self._blocked: dict[tuple[Value, Blocked], Value] = {}
        self._plain: dict[tuple[Value, tuple[int, ...]], Value] = {}

    def emit(
        self, var: relax.Var | str, workload: Workload, inputs: list[Value], constants: list[Array] | None = None
    ) -> Value:
        """Append a step and return its output."""
        name = var if isinstance(var, str) else var.name
        output = Value(name, workload.y)
        node = self.op_nodes.get(name, name)
        self.program.steps.append(Step((node,), workload, inputs, constants or [], output))
        return output

    def image_of(self, channels: int, height: int, width: int, images: int = 1) -> Blocked:
        """The layout of an image, or of several.

        Images of one pixel are float32 whatever the others are: they come from long sums, are small, and share memory
        with plain tensors.
        """
        dtype = "float32" if height == width == 1 else self.dtype
        return Blocked(channels, height, width, self.lanes, images=images, dtype=dtype)

    def value_of(self, expr: relax.Expr) -> Value:
        """The value of a variable; a constant is an input of no rule but :func:`lower_generic`."""
        return self.values[expr]

    def image(self, expr: relax.Expr) -> tuple[Value, Blocked] | None:
        """A tensor [N, C, H, W] or [N, C] as blocked images; None where it has another shape or dtype."""
        value, shape = self.values.get(expr), shape_of(expr)
        if value is None or expr.ty.dtype != "float32" or len(shape) not in (2, 4):
            return None
        return self.blocked(value, shape)

    def blocked_already(self, expr: relax.Expr) -> tuple[Value, Blocked] | None:
        """The value of a variable and its layout if that is blocked."""
        value = self.values.get(expr)
        return (value, value.tensor) if value is not None and isinstance(value.tensor, Blocked) else None

    def blocked(self, value: Value, shape: tuple[int, ...]) -> tuple[Value, Blocked]:
        """The same images blocked; one 1x1 image is the same in both layouts."""
        images, channels, height, width = (*shape, 1, 1)[:4]
        if isinstance(value.tensor, Blocked):
            tensor = value.tensor
            if (tensor.images, tensor.channels, tensor.height, tensor.width) != (images, channels, height, width):
                raise AssertionError(f"{value!r} is no image of shape {shape}")
            return value, tensor
        tensor = self.image_of(channels, height, width, images=images)
        key = (value, tensor)
        if key not in self._blocked:
            if images == height == width == 1 and value.root not in self.program.inputs:
                self._blocked[key] = Value(f"{value.name}_image", tensor, view_of=value)
            else:
                image = Plain((images, channels, height, width))
                source = value if value.tensor == image else Value(value.name, image, view_of=value)
                self._blocked[key] = self.emit(f"{value.name}_image", Reorder(image, tensor), [source])
        return self._blocked[key], tensor

    def plain(self, expr: relax.Expr, shape: tuple[int, ...] | None = None) -> Value:
        """A tensor as a plain one, of another ``shape`` if given."""
        value, shape = self.values[expr], shape or shape_of(expr)
        if value.tensor == Plain(shape, str(expr.ty.dtype)):
            return value
        key = (value, shape)
        if key not in self._plain:
            tensor = value.tensor
            if isinstance(tensor, Blocked) and (tensor.images, tensor.height, tensor.width) != (1, 1, 1):
                image = Plain((tensor.images, tensor.channels, tensor.height, tensor.width))
                if (value, image.shape) not in self._plain:
                    self._plain[value, image.shape] = self.emit(f"{value.name}_plain", Reorder(tensor, image), [value])
                value = self._plain[value, image.shape]
            if key not in self._plain:
                self._plain[key] = Value(f"{value.name}_view", Plain(shape, str(expr.ty.dtype)), view_of=value)
        return self._plain[key]

    def as_output(self, expr: relax.Expr) -> Value:
        """A model output in memory that can be the caller's: dense, written by a step, shared with no other output."""
        shape, dtype = shape_of(expr), str(expr.ty.dtype)
        if expr not in self.values:
            raise UnsupportedOp([f"output {len(self.program.outputs)} of the model depends on no input"])
        value = self.values[expr]
        taken = {output.root for output in self.program.outputs}
        tensor = value.tensor
        if isinstance(tensor, Blocked):
            image = Plain((tensor.images, tensor.channels, tensor.height, tensor.width))
            value = self.emit(f"{value.name}_plain", Reorder(tensor, image), [value])
            return value if image.shape == shape else Value(value.name, Plain(shape), view_of=value)
        root = value.root
        whole = isinstance(root.tensor, Plain) and root.tensor.nbytes == tensor.nbytes
        # The last vector of a blocked view reaches beyond the plain tensor: into the arena, never the caller's memory.
        overread = any(image.root is root for image in self._blocked.values())
        if root in self.program.inputs or root in taken or overread or not whole:
            return self.emit(f"{value.name}_copy", Reorder(Plain(shape, dtype), Plain(shape, dtype)), [value])
        return value
