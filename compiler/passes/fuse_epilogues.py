"""``activation(conv(x) + bias + residual) => conv[bias, residual, activation](x)``: one kernel, one store."""

from __future__ import annotations

from dataclasses import replace

from separable.compiler.program import Program, Step, Value
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
    """Move an elementwise step into the step that produced one of its operands; return that step, or None."""
    if not isinstance(step.workload, Elementwise):
        return None
    # The later producer takes it: by then the other operand has been computed.
    candidates = sorted(
        (producers[value] for value in step.inputs if value in producers), key=steps.index, reverse=True
    )
    for producer in candidates:
        if uses[producer.output] == 1 and producer.output.view_of is None and _absorb(producer, step):
            producer.nodes += step.nodes
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
    if extra.operation != "add":
        return False
    if extra.constant:
        producer.constants[1] = producer.constants[1] + step.constants[0]
        producer.workload = replace(workload, epilogue=epilogue)
        return True
    return _absorb_residual(producer, step, replace(epilogue, residual=True))


def _absorb_residual(producer: Step, step: Step, epilogue: object) -> bool:
    workload = producer.workload
    assert isinstance(workload, Conv | Depthwise)
    others = [value for value in step.inputs if value is not producer.output]
    if workload.residual is not None or len(others) != 1:
        return False
    (residual,) = others
    image = residual.tensor
    same_size = isinstance(image, Blocked) and (image.height, image.width) == (workload.y.height, workload.y.width)
    if not same_size or workload.y.channels != image.channels:
        return False
    producer.workload = replace(workload, epilogue=epilogue, residual=image)  # type: ignore[arg-type]
    producer.inputs.append(residual)
    return True
