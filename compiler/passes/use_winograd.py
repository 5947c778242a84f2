"""``conv3x3(x, w) => A^T [(G w G^T) * (B^T x B)] A``: Winograd's minimal filtering where it takes fewer cycles."""

from __future__ import annotations

from dataclasses import replace

from separable.compiler.program import Program, Step
from separable.schedules.winograd import decline
from separable.schedules.workload import Conv, Winograd
from separable.targets.row import Target


def use_winograd(program: Program, target: Target, enabled: bool = True) -> Program:
    """Let dense 3x3 convolutions be computed by Winograd's algorithm where the cost model says it pays.

    Args:
        program: with final layouts.
        target: the row whose registers and caches decide.
        enabled: if not, every convolution stays as it is.
    """
    if not enabled:
        return program
    return replace(program, steps=[_by_winograd(step, target) for step in program.steps])


def _by_winograd(step: Step, target: Target) -> Step:
    """The step by Winograd's algorithm, or as it is."""
    if not isinstance(step.workload, Conv) or decline(step.workload, target) is not None:
        return step
    # For reports it stays the convolution that it computes.
    return replace(step, workload=Winograd(step.workload), parts=(step,))
