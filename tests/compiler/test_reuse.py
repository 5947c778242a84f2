"""How long ago data were touched, on programs whose answer can be told by hand."""

from __future__ import annotations

import itertools

import pytest

from separable.compiler.plan_memory import MemoryPlan
from separable.compiler.program import Program, Step, Value
from separable.compiler.reuse import Touch, reuse_distances
from separable.schedules.workload import Reorder

from .programs import plain

KIB = 1024
CHUNK = 16 * KIB


def chain(*floats: int) -> Program:
    """Copies of one plain tensor after the other."""
    values = [plain(f"v{index}", size) for index, size in enumerate(floats)]
    steps = [Step((y.name,), Reorder(x.tensor, y.tensor), [x], [], y) for x, y in itertools.pairwise(values)]
    return Program([values[0]], [values[-1]], steps)


def touches(
    program: Program, constants: list[list[int]], repeated: str = "nothing", offsets: dict[Value, int] | None = None
) -> tuple[tuple[Touch, ...], ...]:
    plan = MemoryPlan(offsets or {}, 0, 0)
    return reuse_distances(program, constants, [repeated] * len(program.steps), plan)


def test_all_that_a_step_touches_is_there_once() -> None:
    (step,) = touches(chain(10_000, 20_000), [[5 * CHUNK + 1]])
    assert sum(touch.nbytes for touch in step if touch.constant) == 5 * CHUNK + 1
    assert sum(touch.nbytes for touch in step if touch.written) == 80_000
    assert sum(touch.nbytes for touch in step) == 40_000 + 80_000 + 5 * CHUNK + 1
    assert not any(touch.constant and touch.written for touch in step)


def test_weights_were_touched_one_inference_ago() -> None:
    """All else lies between: 1 MiB of the other step's, and what the step itself has come by since."""
    first, second = touches(chain(16, 16, 16), [[CHUNK], [1024 * KIB]])
    (weights,) = (touch for touch in first if touch.constant)
    assert 1024 * KIB <= weights.distance <= 1024 * KIB + 3 * 64
    # The step's own chunks are passed in order: each was touched one whole round ago.
    assert all(1024 * KIB <= touch.distance <= 1040 * KIB + 3 * 64 for touch in second if touch.constant)


def test_what_was_just_written_is_near() -> None:
    _, second = touches(chain(16, 16, 16), [[], []])
    read = second[0]
    assert (read.written, read.distance) == (False, 0)


def test_a_place_of_the_arena_that_another_value_had_is_as_near_as_that_value() -> None:
    program = chain(16, 16, 16, 16, 16)
    v1, v3 = program.steps[0].output, program.steps[2].output
    third = touches(program, [[0], [0], [0], [0]], offsets={v1: 0, v3: 0})[2]
    (written,) = (touch for touch in third if touch.written)
    assert written.distance == 64  # v2, which the step reads; v1 was read the step before
    apart = touches(program, [[0], [0], [0], [0]], offsets={v1: 0, v3: CHUNK})[2]
    (alone,) = (touch for touch in apart if touch.written)
    assert alone.distance > written.distance


@pytest.mark.parametrize("repeated", ["inputs", "constants"])
def test_what_a_step_passes_over_again_and_again_is_touched_last(repeated: str) -> None:
    """So it is the nearest of all when the next inference begins; what goes by once is as far as all of it."""
    small, large = CHUNK, 64 * CHUNK
    inputs, constants = (small, large) if repeated == "inputs" else (large, small)
    program = chain(inputs // 4, 16)
    for how, expected in (repeated, 0), ("nothing", large + 64):
        (step,) = touches(program, [[constants]], how)
        (again,) = (touch for touch in step if touch.nbytes == small and touch.constant == (repeated == "constants"))
        assert again.distance == expected
