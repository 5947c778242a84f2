"""``step => nothing`` where no output depends on it."""

from __future__ import annotations

from separable.compiler.passes.drop_dead_steps import drop_dead_steps
from separable.compiler.program import Program, Value
from tests.compiler.programs import conv, image, pool


def test_what_no_output_needs_goes() -> None:
    x = image("x")
    used, unused = conv(x, "used"), conv(x, "unused")
    after = pool(unused.output, "after")
    program = drop_dead_steps(Program([x], [used.output], [used, unused, after]))
    assert program.steps == [used]


def test_a_view_needs_what_it_shows() -> None:
    x = image("x")
    step = conv(x, "step")
    view = Value("view", step.output.tensor, view_of=step.output)
    last = pool(view, "last")
    assert drop_dead_steps(Program([x], [last.output], [step, last])).steps == [step, last]


def test_a_whole_needs_all_of_its_parts() -> None:
    x, whole = image("x"), image("whole", channels=32)
    parts = [conv(x, "left"), conv(x, "right")]
    for index, part in enumerate(parts):
        part.output.view_of, part.output.offset = whole, 2 * index
    last = pool(whole, "last")
    assert drop_dead_steps(Program([x], [last.output], [*parts, last])).steps == [*parts, last]
    assert drop_dead_steps(Program([x], [x], [*parts, last])).steps == []


def test_parts_of_a_whole_within_a_whole() -> None:
    x = image("x")
    inner, outer = image("inner", channels=32), image("outer", channels=48)
    inner.view_of, inner.offset = outer, 2
    part, other = conv(x, "part"), conv(x, "other")
    part.output.view_of, other.output.view_of = inner, outer
    last = pool(outer, "last")
    assert drop_dead_steps(Program([x], [last.output], [part, other, last])).steps == [part, other, last]
