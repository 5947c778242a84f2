"""No tensor is too large for the kernels: blocks of channels and halos take more than what ONNX's shapes tell."""

from __future__ import annotations

import math

from separable.compiler.errors import UnsupportedOp
from separable.compiler.program import Program, describe
from separable.schedules.tensor import MAX_ELEMENTS
from separable.schedules.workload import Reorder


def check_sizes(program: Program) -> Program:
    """The program as it is.

    Raises:
        UnsupportedOp: lists the nodes that read or write a tensor which is too large.
    """
    problems = []
    for step in program.steps:
        if isinstance(step.workload, Reorder):  # no node's own: one that computes reads or writes the same tensor
            continue
        for tensor in (step.output.tensor, *(value.tensor for value in step.inputs)):
            if (size := math.prod(tensor.shape)) > MAX_ELEMENTS:
                problems.append(
                    f"'{'+'.join(step.nodes)}': {describe(tensor)} has {size} elements; at most {MAX_ELEMENTS} can be "
                    "addressed"
                )
                break
    if problems:
        raise UnsupportedOp(problems)
    return program
