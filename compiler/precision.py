"""What ``--precision`` means: the dtype of images and weights, which targets have it, and how exact it is.

``fp16`` stores images and the weights of convolutions as float16 and computes in float16, fused multiply-adds and their
sums included. float32 are: inputs and outputs, every plain tensor and with it the operators on them, images of one
pixel and the sums of their convolutions (classifiers, squeeze-and-excite), the sums of average pools, the interpolation
of regions, and elementwise arithmetic that is no epilogue. A target whose library has kernels for several CPUs must
have it on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from separable.compiler.errors import UnsupportedPrecision
from separable.compiler.program import Program
from separable.schedules.workload import Conv
from separable.targets.row import Target
from separable.targets.table import all_targets

DTYPES: Mapping[str, str] = {"fp32": "float32", "fp16": "float16"}
"""The dtype of images and of the weights of convolutions, by precision."""

_LARGEST = float(np.finfo(np.float16).max)


def check_precision(precision: str, targets: Sequence[Target]) -> None:
    """Check that every row that a library has kernels for computes in a precision.

    Raises:
        UnsupportedPrecision: there is no such precision, or a row lacks its instructions.
    """
    if precision not in DTYPES:
        raise UnsupportedPrecision(f"unknown precision {precision!r}; known: {', '.join(DTYPES)}")
    lacking = next((target for target in targets if not target.fp16_arithmetic), None)
    if precision == "fp32" or lacking is None:
        return
    which = lacking.name if len(targets) == 1 else f"{lacking.name}, one of this target's cores,"
    rows = ", ".join(row.name for row in all_targets() if row.fp16_arithmetic)
    raise UnsupportedPrecision(
        f"--precision fp16 needs float16 arithmetic, which {which} lacks; targets that have it: {rows}, "
        "their android- forms, and any other arm64 target with +fp16 (arm64+fp16)"
    )


def check_weights(program: Program) -> Program:
    """Check that no weight or bias is beyond what its dtype holds; return the program as it is.

    Raises:
        UnsupportedPrecision: names the nodes whose weights become infinite in float16.
    """
    problems = []
    for step in program.steps:
        half = "float16" in (step.workload.y.dtype, step.workload.weights if isinstance(step.workload, Conv) else None)
        largest = max((float(np.abs(array).max(initial=0)) for array in step.constants), default=0.0)
        if half and not largest <= _LARGEST:
            problems.append(f"  - {'+'.join(step.nodes)}: weights up to {largest:.3g}")
    if problems:
        head = f"float16 holds numbers up to {_LARGEST:.0f}; compile this model with --precision fp32:"
        raise UnsupportedPrecision("\n".join([head, *problems]))
    return program
