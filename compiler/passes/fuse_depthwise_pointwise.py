"""``pointwise(depthwise(x)) => depthwise_pointwise(x)`` where the target's caches make that faster."""

from __future__ import annotations

from dataclasses import replace

from separable.compiler.plan_memory import peak_bytes
from separable.compiler.program import Program, Step
from separable.schedules.depthwise_pointwise import decline
from separable.schedules.workload import Conv, Depthwise, DepthwisePointwise
from separable.targets.row import Target


def fuse_depthwise_pointwise(program: Program, target: Target) -> Program:
    """Fuse pairs of steps whose image in between nobody else reads, as long as the arena need not grow for it."""
    limit = peak_bytes(program)
    for second in list(program.steps):
        first = (
            next((step for step in program.steps if step.output is second.inputs[0]), None) if second.inputs else None
        )
        if first is None or program.uses()[first.output] != 1:
            continue
        fused = _fuse(first, second, target)
        if fused is None:
            continue
        steps = [fused if step is second else step for step in program.steps if step is not first]
        candidate = replace(program, steps=steps)
        if peak_bytes(candidate) <= limit:
            program = candidate
    return program


def _fuse(first: Step, second: Step, target: Target) -> Step | None:
    """The two steps as one, or None where they are no such pair or better left apart."""
    w, point = first.workload, second.workload
    if not isinstance(w, Depthwise) or w.residual is not None or first.output.view_of is not None:
        return None
    if w.y.halo:  # the second one pads the image between
        return None
    if not isinstance(point, Conv) or point.window.size != (1, 1) or point.window.stride != (1, 1) or point.groups != 1:
        return None
    if point.weights != point.y.dtype:
        return None
    fused = DepthwisePointwise(w.x, point.y, w.window, w.epilogue, point.epilogue, point.residual)
    if decline(fused, target) is not None:
        return None
    return Step(
        tuple(dict.fromkeys((*first.nodes, *second.nodes))),
        fused,
        [*first.inputs, *second.inputs[1:]],
        [*first.constants, *second.constants],
        second.output,
        parts=(first, second),
    )
