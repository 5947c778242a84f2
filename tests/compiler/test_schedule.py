"""From steps to kernels: one for each distinct workload."""

from __future__ import annotations

from pathlib import Path

import pytest

from separable.compiler.passes.assign_halos import assign_halos
from separable.compiler.plan_memory import plan_memory
from separable.compiler.program import Program
from separable.compiler.schedule import Scheduled, schedule_program
from separable.schedules.overread import overread_bytes
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv
from separable.targets.table import find_target

from .models import node, random
from .programs import conv, image, lower, pool

TARGET = find_target("x86-64-v3")


def schedule(program: Program) -> Scheduled:
    return schedule_program(program, TARGET, lambda done, total: None)


def test_equal_workloads_share_a_kernel() -> None:
    x = image("x")
    first = conv(x, "first")
    second = conv(first.output, "second")
    third = conv(second.output, "third", channels=8)
    last = pool(third.output, "last")
    scheduled = schedule(Program([x], [last.output], [first, second, third, last]))
    assert [kernel.name for kernel in scheduled.calls] == ["pointwise_0", "pointwise_0", "pointwise_1", "pool_0"]
    assert [kernel.name for kernel in scheduled.kernels] == ["pointwise_0", "pointwise_1", "pool_0"]
    assert all("def main" in kernel.text and kernel.source == "default" for kernel in scheduled.kernels)


def test_another_halo_is_another_kernel() -> None:
    x = image("x")
    first, second = conv(x, "first"), conv(x, "second")
    padded = conv(first.output, "padded", pad=1)
    program = assign_halos(Program([x], [padded.output, second.output], [first, second, padded]))
    assert len(schedule(program).kernels) == 3


def test_equal_generic_operators_share_a_kernel(tmp_path: Path) -> None:
    nodes = [node("Sqrt", "x", "a"), node("Mul", "a c", "b"), node("Sqrt", "b", "d"), node("Mul", "d e")]
    program = lower(tmp_path, nodes, {"x": [3, 4]}, weights={"c": random(4), "e": random(4, seed=1)})
    scheduled = schedule(program)
    assert [kernel.name for kernel in scheduled.calls] == ["generic_0", "generic_1", "generic_0", "generic_1"]
    assert scheduled.constants[1][0] is not scheduled.constants[3][0]


def test_progress_is_told_step_by_step() -> None:
    x = image("x")
    steps = [conv(x, "first"), conv(x, "second")]
    told: list[tuple[int, int]] = []
    program = Program([x], [step.output for step in steps], steps)
    schedule_program(program, TARGET, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_given_tiles_take_the_place_of_the_default() -> None:
    x = image("x")
    step = conv(x, "conv")
    program = Program([x], [step.output], [step])
    default = schedule(program).kernels[0]
    given = schedule_program(program, TARGET, lambda done, total: None, {step.workload: default.tile}).kernels[0]
    assert (default.source, given.source) == ("default", "given")
    assert default.text == given.text


@pytest.mark.parametrize("size", [3, 5, 7, 13])
def test_the_arena_holds_what_kernels_read_beyond_an_image(size: int) -> None:
    x = image("x", size=size)
    first = pool(x, "first")
    second = conv(first.output, "second", pad=1)
    program = assign_halos(Program([x], [second.output], [first, second]))
    scheduled = schedule(program)
    beyond = overread_bytes(second.workload, scheduled.calls[1].tile)
    assert isinstance(second.workload, Conv)
    assert isinstance(second.workload.x, Blocked)
    assert scheduled.overread == {first.output: beyond, x: 0}
    assert plan_memory(program, scheduled.overread).arena_bytes >= second.workload.x.nbytes + beyond
