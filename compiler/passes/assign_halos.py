"""``conv[pad](x) => conv(x in a halo of zeros)``: padding becomes part of the layout of what is padded.

The kernel that writes an image leaves room for the widest padding of all convolutions that read it, so that these read
without a branch and without a padded copy. Parts of a concatenation share the halo of the whole.
"""

from __future__ import annotations

from dataclasses import replace

from separable.compiler.program import Program, Step, Value
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Conv, Depthwise, Elementwise, RoiAlign, Workload


def assign_halos(program: Program) -> Program:
    """Give every blocked value its halo, and the workloads the layouts that result."""
    halos: dict[Value, Halo] = {}
    for step in program.steps:
        for value in step.inputs[:1]:
            halos[value.root] = halos.get(value.root, Halo()).union(_needed(step))
    for value in list(program.values()):
        halo = halos.get(value.root, Halo())
        if isinstance(value.tensor, Blocked) and halo:
            if not isinstance(value.root.tensor, Blocked):
                raise AssertionError(f"{value!r} shares memory with a plain tensor and cannot have a halo")
            value.tensor = replace(value.tensor, halo=halo)
    for step in program.steps:
        step.workload = _with_layouts(step)
    return program


def _needed(step: Step) -> Halo:
    """The halo around its first input that a step reads."""
    w = step.workload
    if not isinstance(w, Conv | Depthwise) or not isinstance(w.x, Blocked):
        return Halo()
    top, left = w.window.pad
    bottom = w.window.reach(0, w.y.height) - top - w.x.height
    right = w.window.reach(1, w.y.width) - left - w.x.width
    return Halo(top, left, max(bottom, 0), max(right, 0))


def _with_layouts(step: Step) -> Workload:
    """The step's workload with the tensors of its values."""
    w, tensors, y = step.workload, [value.tensor for value in step.inputs], step.output.tensor
    if isinstance(w, Conv | Depthwise):
        residual = tensors[1] if w.residual is not None else None
        return replace(w, x=tensors[0], y=y, residual=residual)  # type: ignore[arg-type]
    if isinstance(w, Elementwise | RoiAlign):
        return replace(w, x=tuple(tensors), y=y)  # type: ignore[arg-type]
    if isinstance(w.x, tuple):  # Generic: plain tensors only
        return w
    return replace(w, x=tensors[0], y=y)  # type: ignore[arg-type]
