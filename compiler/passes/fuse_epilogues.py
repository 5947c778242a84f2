"""``activation(conv(x)·s + b + residual) => conv[s, b, residual, activation](x)``: one kernel, one store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from separable.compiler.program import Program, Step, Value
from separable.schedules.epilogue import Epilogue
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Depthwise, Elementwise


def fuse_epilogues(program: Program) -> Program:
    """Fuse elementwise steps into the convolution before them, as far as nobody else needs what it had stored."""
    steps: list[Step] = []
    producers: dict[Value, Step] = {}
    uses = program.uses()
    for step in program.steps:
        fused = _fuse(step, producers, uses, steps)
        if fused is None:
            steps.append(step)
            fused = step
        producers[fused.output] = fused
    return Program(program.inputs, program.outputs, steps)


def _fuse(step: Step, producers: dict[Value, Step], uses: dict[Value, int], steps: list[Step]) -> Step | None:
    """Move an elementwise step into a step that produced one of its operands; return that step, or None."""
    if not isinstance(step.workload, Elementwise):
        return None
    for producer in (producers[value] for value in step.inputs if value in producers):
        # What the step reads besides must have been written when the producer runs.
        others = {value.root for value in step.inputs if value is not producer.output}
        ready = all(later.output.root not in others for later in steps[steps.index(producer) + 1 :])
        alone = uses[producer.output] == 1 and producer.output.view_of is None
        if ready and alone and _absorb(producer, step):
            producer.nodes = tuple(dict.fromkeys((*producer.nodes, *step.nodes)))
            producer.output = step.output
            return producer
    return None


def _absorb(producer: Step, step: Step) -> bool:
    """Extend the producer's workload by the elementwise step, if it can be."""
    workload, extra = producer.workload, step.workload
    assert isinstance(extra, Elementwise)
    if isinstance(workload, Elementwise):
        if extra.operation != "identity" or workload.activation is not None:
            return False
        producer.workload = replace(workload, activation=extra.activation)
        return True
    if not isinstance(workload, Conv | Depthwise) or workload.epilogue.activation is not None:
        return False
    epilogue = replace(workload.epilogue, activation=extra.activation)
    if extra.operation == "identity":
        producer.workload = replace(workload, epilogue=epilogue)
        return True
    if extra.operation == "multiply" and extra.constant and workload.residual is None:
        factor = step.constants[0]
        with np.errstate(all="ignore"):
            scaled = [producer.constants[0] * factor[:, None, None, None], producer.constants[1] * factor]
        if not all(np.isfinite(array).all() for array in scaled):
            return False  # infinity times a bias of zero is NaN, times a sum it may be none
        producer.constants = scaled
        producer.workload = replace(workload, epilogue=epilogue)
        return True
    if extra.operation != "add":
        return False
    if extra.constant:
        producer.constants[1] = producer.constants[1] + step.constants[0]
        producer.workload = replace(workload, epilogue=epilogue)
        return True
    return _absorb_residual(producer, step, replace(epilogue, residual=True))


def _absorb_residual(producer: Step, step: Step, epilogue: Epilogue) -> bool:
    workload = producer.workload
    assert isinstance(workload, Conv | Depthwise)
    others = [value for value in step.inputs if value is not producer.output]
    if workload.residual is not None or len(others) != 1:
        return False
    (residual,) = others
    image = residual.tensor
    y = workload.y
    if not isinstance(image, Blocked) or (image.channels, image.height, image.width) != (y.channels, y.height, y.width):
        return False
    producer.workload = replace(workload, epilogue=epilogue, residual=image)
    producer.inputs.append(residual)
    return True
