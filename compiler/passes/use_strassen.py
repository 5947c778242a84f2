"""``conv1x1(x, w) => strassen(x, sums(x), w)``: seven products of half the size where that takes fewer cycles."""

from __future__ import annotations

from dataclasses import replace

from separable.compiler.plan_memory import peak_bytes
from separable.compiler.program import Program, Step, Value
from separable.schedules.strassen import decline
from separable.schedules.workload import Conv, Strassen
from separable.targets.row import Target


def use_strassen(program: Program, target: Target, enabled: bool = True) -> Program:
    """Let 1x1 convolutions be computed by Strassen's algorithm where the cost model says it pays.

    The sums of an image are a value of their own; the arena does not grow for them.

    Args:
        program: with final layouts.
        target: the row whose registers and caches decide.
        enabled: if not, every convolution stays as it is.
    """
    limit = peak_bytes(program) if enabled else 0
    for step in list(program.steps) if enabled else ():
        if not isinstance(step.workload, Conv) or decline(step.workload, target) is not None:
            continue
        replaced = _by_strassen(step, step.workload)
        steps = [part for other in program.steps for part in (replaced if other is step else (other,))]
        candidate = replace(program, steps=steps)
        if peak_bytes(candidate) <= limit:
            program = candidate
    return program


def _by_strassen(step: Step, conv: Conv) -> tuple[Step, Step]:
    """The step as two: the sums of its image, and the products."""
    w = Strassen(conv)
    image, *residual = step.inputs
    sums = Value(f"{step.output.name}_sums", w.x)
    # For reports it stays the convolution that it computes.
    products = replace(step, workload=w, inputs=[image, sums, *residual], parts=(step,))
    return Step(step.nodes, w.inputs, [image], [], sums), products
