"""The memory plan: nothing is overwritten before its last reader is done."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from separable.compiler._tvm import tvm
from separable.compiler.importer import import_model
from separable.compiler.lower import lower_graph
from separable.compiler.pipeline import GRAPH_PASSES, program_passes
from separable.compiler.plan_memory import MemoryPlan, peak_bytes, plan_memory
from separable.compiler.program import Program, Step, Value
from separable.compiler.schedule import schedule_program
from separable.schedules.tensor import ALIGNMENT, Blocked, Plain
from separable.schedules.workload import Reorder
from separable.targets.row import Target
from separable.targets.table import all_targets
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_mobilenet_v1

from .programs import LANES, conv, image, plain, pool

MAX_ARENA_BYTES = 4_900_000


def random_program(seed: int) -> Program:
    """Steps over plain tensors that read earlier values, views and parts of concatenations at random."""
    rng = np.random.default_rng(seed)
    program = Program([plain("x", int(rng.integers(1, 500)))])
    values = list(program.inputs)

    def add_step(name: str, size: int, view_of: Value | None = None, offset: int = 0) -> Value:
        recent = values[-6:]
        inputs = [recent[int(rng.integers(len(recent)))] for _ in range(int(rng.integers(1, 3)))]
        y = Value(name, Plain((size,)), view_of, offset)
        program.steps.append(Step((name,), Reorder(inputs[0].tensor, y.tensor), inputs, [], y))
        return y

    for index in range(int(rng.integers(5, 30))):
        size = int(rng.integers(1, 500))
        kind = rng.random()
        if kind < 0.7:
            values.append(add_step(f"v{index}", size))
        elif kind < 0.85:
            values.append(Value(f"view{index}", values[-1].tensor, view_of=values[-1]))
        else:
            whole = plain(f"whole{index}", 3 * size)
            for part in range(3):
                add_step(f"part{index}_{part}", size, whole, part * size)
            values.append(whole)
    program.outputs = [values[-1], add_step("last", 7)]
    return program


def check_by_running(program: Program, plan: MemoryPlan) -> None:
    """Run the program on an arena whose bytes remember which value was written there last."""
    external = {value.root for value in (*program.inputs, *program.outputs)}
    roots = {root: number for number, root in enumerate(plan.offsets, start=1)}
    arena = np.zeros(plan.arena_bytes, np.int64)

    def bytes_of(value: Value) -> slice:
        start = plan.offsets[value.root] + value.byte_offset
        return slice(start, start + value.tensor.nbytes)

    for step in program.steps:
        for value in step.inputs:
            if value.root not in external:
                assert (arena[bytes_of(value)] == roots[value.root]).all(), f"{value!r} was overwritten"
        if step.output.root not in external:
            written = bytes_of(step.output)
            assert written.stop <= plan.arena_bytes
            for value in step.inputs:
                if value.root not in external:
                    read = bytes_of(value)
                    assert read.stop <= written.start or written.stop <= read.start, f"{step!r} overwrites its input"
            arena[written] = roots[step.output.root]


@pytest.mark.parametrize("seed", range(200))
def test_no_value_is_overwritten_while_it_is_needed(seed: int) -> None:
    program = random_program(seed)
    plan = plan_memory(program, {})
    check_by_running(program, plan)
    assert all(offset % ALIGNMENT == 0 for offset in plan.offsets.values())
    assert peak_bytes(program) <= plan.arena_bytes <= plan.unshared_bytes


def test_inputs_and_outputs_are_the_callers() -> None:
    x = image("x")
    first, second = conv(x, "first"), conv(x, "second")
    plan = plan_memory(Program([x], [second.output], [first, second]), {})
    assert list(plan.offsets) == [first.output]


def test_memory_is_used_again() -> None:
    x = image("x")
    steps = [conv(x, "0")]
    for index in range(1, 6):
        steps.append(pool(steps[-1].output, str(index)))
    plan = plan_memory(Program([x], [steps[-1].output], steps), {})
    size = steps[0].output.tensor.nbytes
    assert plan.arena_bytes == 2 * size
    assert plan.unshared_bytes == 5 * size


def test_the_arena_reaches_as_far_as_kernels_read() -> None:
    x = image("x")
    first = conv(x, "first")
    last = pool(first.output, "last")
    plan = plan_memory(Program([x], [last.output], [first, last]), {first.output: 1000})
    assert plan.arena_bytes == -(-(first.output.tensor.nbytes + 1000) // ALIGNMENT) * ALIGNMENT


def test_a_blocked_view_of_a_plain_pixel_is_as_long_as_its_last_block() -> None:
    x, pixel = plain("x", 1, 5, 1, 1), plain("pixel", 1, 5, 1, 1)
    copy = Step(("copy",), Reorder(x.tensor, pixel.tensor), [x], [], pixel)
    last = pool(Value("view", Blocked(5, 1, 1, 32), view_of=pixel), "last")
    other = pool(image("other"), "later")
    plan = plan_memory(Program([x], [last.output], [copy, last, other]), {})
    assert plan.arena_bytes >= 32 * 4
    assert LANES < 32


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> tvm.IRModule:
    """The largest network of the zoo, folded."""
    path = tmp_path_factory.mktemp("zoo") / "mobilenet.onnx"
    export_mobilenet_v1(MobileNetV1(), path)
    return reduce(lambda mod, graph_pass: graph_pass(mod), GRAPH_PASSES, import_model(path, {}).mod)


@pytest.mark.xdist_group("arena")
@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_the_arena_of_mobilenet_is_small_for_every_target(target: Target, mobilenet: tvm.IRModule) -> None:
    program = lower_graph(mobilenet, {}, target.lanes)
    for _, program_pass in program_passes(target):
        program = program_pass(program)
    plan = plan_memory(program, schedule_program(program, target, lambda done, total: None).overread)
    check_by_running(program, plan)
    assert plan.arena_bytes <= MAX_ARENA_BYTES
