"""The model as a straight line of kernels: what each computes, and which memory it reads and writes.

Relax says what the model means; a :class:`Program` says how it will run. Values know their layout; several values may
share memory: a reshape is a view of what it reshapes, and the inputs of a concatenation are views of its output, so
that their kernels write where they belong and nothing is copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from separable.schedules.kernel import Array
from separable.schedules.tensor import DTYPE_BYTES, Blocked, Plain, Tensor
from separable.schedules.workload import Workload


@dataclass(eq=False)
class Value:
    """A tensor in memory.

    Attributes:
        name: the Relax variable it comes from.
        tensor: its layout.
        view_of: the value whose memory it shares, if any.
        offset: where it starts there: in channel blocks if that value is blocked, else in elements.
    """

    name: str
    tensor: Tensor
    view_of: Value | None = None
    offset: int = 0

    @property
    def root(self) -> Value:
        """The value that owns the memory."""
        return self if self.view_of is None else self.view_of.root

    @property
    def byte_offset(self) -> int:
        """Bytes from the start of the root's memory to this value."""
        if self.view_of is None:
            return 0
        parent = self.view_of.tensor
        unit = parent.nbytes // parent.blocks if isinstance(parent, Blocked) else DTYPE_BYTES[parent.dtype]
        return self.view_of.byte_offset + self.offset * unit

    def __repr__(self) -> str:
        where = f" = {self.view_of.name}[{self.offset}:]" if self.view_of else ""
        return f"{self.name}: {describe(self.tensor)}{where}"


@dataclass(eq=False)
class Step:
    """One kernel call.

    Attributes:
        nodes: the ONNX nodes it computes.
        workload: what it computes; its tensors are those of the values.
        inputs: values it reads, in the order of the workload; a residual comes last.
        constants: weights as in ONNX, not yet packed.
        output: the value it writes.
        parts: the steps it was fused from, for reports; empty if it is one layer.
    """

    nodes: tuple[str, ...]
    workload: Workload
    inputs: list[Value]
    constants: list[Array]
    output: Value
    parts: tuple[Step, ...] = ()

    def __repr__(self) -> str:
        inputs = ", ".join(value.name for value in self.inputs)
        return f"{self.output!r} = {type(self.workload).__name__}({inputs})  # {'+'.join(self.nodes)}"


@dataclass
class Program:
    """Steps in execution order, and the values that the caller provides and receives."""

    inputs: list[Value]
    outputs: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def producers(self) -> dict[Value, Step]:
        """The step that writes each value."""
        return {step.output: step for step in self.steps}

    def uses(self) -> Counter[Value]:
        """How often each value is needed: by steps, by views of it, and as an output of the model."""
        needed = Counter(value for step in self.steps for value in step.inputs)
        needed.update(self.outputs)
        needed.update(value.view_of for value in self.values() if value.view_of is not None)
        return needed

    def values(self) -> Iterator[Value]:
        """Every value once, roots of views included."""
        seen: set[Value] = set()
        for value in (*self.inputs, *self.outputs, *(v for s in self.steps for v in (*s.inputs, s.output))):
            chain: Value | None = value
            while chain is not None and chain not in seen:
                seen.add(chain)
                yield chain
                chain = chain.view_of

    def script(self) -> str:
        """The program as text, for ``--dump-ir``."""
        lines = [f"input  {value!r}" for value in self.inputs]
        lines += [repr(step) for step in self.steps]
        return "\n".join([*lines, *(f"output {value!r}" for value in self.outputs)]) + "\n"


def describe(tensor: Tensor) -> str:
    """A tensor's layout in a few characters: ``[1, 1000]`` or ``32x112x112 nchw16c halo (1, 1, 1, 1)``."""
    if isinstance(tensor, Plain):
        return str(list(tensor.shape)) if tensor.dtype == "float32" else f"{list(tensor.shape)} {tensor.dtype}"
    halo = tensor.halo
    dtype = "" if tensor.dtype == "float32" else f" {tensor.dtype}"
    around = f" halo ({halo.top}, {halo.left}, {halo.bottom}, {halo.right})" if halo else ""
    images = f"{tensor.images}x" if tensor.images > 1 else ""
    return f"{images}{tensor.channels}x{tensor.height}x{tensor.width} nchw{tensor.lanes}c{dtype}{around}"
