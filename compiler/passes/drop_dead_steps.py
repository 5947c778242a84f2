"""``step => nothing`` where no output of the model depends on it."""

from __future__ import annotations

from separable.compiler.program import Program, Step, Value


def drop_dead_steps(program: Program) -> Program:
    """Keep the steps whose output is needed, directly or through a view."""
    live: set[Value] = set()

    def need(value: Value | None) -> None:
        while value is not None:
            live.add(value)
            value = value.view_of

    for output in program.outputs:
        need(output)
    steps: list[Step] = []
    for step in reversed(program.steps):
        # The part of a concatenation is needed when the whole is.
        if step.output in live or (step.output.view_of is not None and step.output.root in live):
            steps.append(step)
            for value in step.inputs:
                need(value)
    return Program(program.inputs, program.outputs, steps[::-1])
