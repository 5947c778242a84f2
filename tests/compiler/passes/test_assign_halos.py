"""``conv[pad](x) => conv(x in a halo of zeros)``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from separable.compiler._tvm import tvm
from separable.compiler.passes.assign_halos import assign_halos
from separable.compiler.program import Program, Step, Value
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import Conv, Generic, Window
from tests.compiler.programs import LANES, conv, elementwise, image, plain, pool


def test_every_reader_and_writer_sees_the_widest_halo() -> None:
    x = image("x")
    first = conv(x, "first")
    narrow, wide = conv(first.output, "narrow", pad=1), conv(first.output, "wide", pad=2)
    last = pool(first.output, "last")
    outputs = [narrow.output, wide.output, last.output]
    program = assign_halos(Program([x], outputs, [first, narrow, wide, last]))
    assert program.script().splitlines()[1:5] == [
        "first: 16x4x4 nchw8c halo (2, 2, 2, 2) = Conv(x)  # first",
        "narrow: 16x4x4 nchw8c = Conv(first)  # narrow",
        "wide: 16x4x4 nchw8c = Conv(first)  # wide",
        "last: 16x4x4 nchw8c = Pool(first)  # last",
    ]
    halo = Halo(2, 2, 2, 2)
    assert getattr(first.workload.y, "halo", None) == halo
    assert [getattr(step.workload.x, "halo", None) for step in (narrow, wide, last)] == [halo] * 3


@pytest.mark.parametrize(
    ("window", "out", "halo"),
    [
        (Window((3, 3), (2, 2), pad=(1, 1)), (4, 4), Halo(1, 1, 0, 0)),
        (Window((3, 3), (2, 2)), (4, 4), Halo(0, 0, 1, 1)),
        (Window((1, 5), dilation=(1, 2), pad=(0, 3)), (8, 8), Halo(0, 3, 0, 5)),
        (Window((1, 1), (3, 3)), (3, 3), Halo()),
        (Window((2, 2), (3, 3)), (3, 3), Halo()),
    ],
)
def test_a_halo_is_as_wide_as_the_windows_reach(window: Window, out: tuple[int, int], halo: Halo) -> None:
    x = Value("x", Blocked(16, 8, 8, LANES))
    y = Value("y", Blocked(16, *out, LANES))
    assert isinstance(x.tensor, Blocked)
    assert isinstance(y.tensor, Blocked)
    constants = [np.zeros((16, 16, *window.size), np.float32), np.zeros(16, np.float32)]
    first = pool(x, "first")
    second = Step(("conv",), Conv(x.tensor, y.tensor, window), [first.output], constants, y)
    assign_halos(Program([x], [y], [first, second]))
    assert first.output.tensor == replace(x.tensor, halo=halo)


def test_parts_of_a_concatenation_share_the_halo_of_the_whole() -> None:
    x, whole = image("x"), image("whole", channels=32)
    parts = [conv(x, "left"), conv(x, "right")]
    for index, part in enumerate(parts):
        part.output.view_of, part.output.offset = whole, 2 * index
    reader = conv(parts[0].output, "reader", pad=1)
    last = conv(whole, "last")
    assign_halos(Program([x], [reader.output, last.output], [*parts, reader, last]))
    halos = [value.tensor.halo for value in (whole, parts[0].output, parts[1].output)]  # type: ignore[union-attr]
    assert halos == [Halo(1, 1, 1, 1)] * 3
    assert parts[1].output.byte_offset == 2 * 6 * 6 * LANES * 4


def test_a_residual_brings_its_own_halo() -> None:
    x = image("x")
    first = conv(x, "first")
    padded = conv(first.output, "padded", pad=1)
    total = elementwise("add", [padded.output, first.output], "sum")
    program = assign_halos(Program([x], [total.output], [first, padded, total]))
    layouts = program.steps[2].workload.x
    assert [layout.halo for layout in layouts] == [Halo(), Halo(1, 1, 1, 1)]  # type: ignore[union-attr]


def test_memory_of_a_plain_tensor_has_no_room() -> None:
    dense = plain("dense", 1, 16, 1, 1)
    view = Value("view", Blocked(16, 1, 1, LANES), view_of=dense)
    step = conv(view, "conv", pad=1)
    with pytest.raises(AssertionError, match="shares memory with a plain tensor"):
        assign_halos(Program([dense], [step.output], [step]))


def test_a_step_without_inputs_stays_as_it_is() -> None:
    x, y = image("x"), plain("y", 4)
    fixed = Step(("fixed",), Generic((), Plain((4,)), "fixed", tvm.tirx.PrimFunc([], tvm.tirx.Evaluate(0))), [], [], y)
    before = fixed.workload
    assert assign_halos(Program([x], [y], [fixed])).steps == [fixed]
    assert fixed.workload == before
