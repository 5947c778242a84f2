"""``activation(conv(x)·s + b + residual) => conv[s, b, residual, activation](x)``."""

from __future__ import annotations

import numpy as np
import pytest

from separable.compiler.passes.fuse_epilogues import fuse_epilogues
from separable.compiler.program import Program, Step, Value
from separable.schedules.epilogue import Activation
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Depthwise, Elementwise
from tests.compiler.programs import LANES, conv, depthwise, elementwise, image, pool

RELU = Activation("relu")


def fuse(x: Value | list[Value], steps: list[Step], *outputs: Value) -> Program:
    inputs = x if isinstance(x, list) else [x]
    return fuse_epilogues(Program(inputs, list(outputs) or [steps[-1].output], steps))


def epilogue(step: Step) -> str:
    assert isinstance(step.workload, Conv | Depthwise)
    return str(step.workload.epilogue)


class TestOneOperand:
    def test_constants_and_an_activation(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        scale = elementwise("multiply", [first.output], "scale", constant=3)
        shift = elementwise("add", [scale.output], "shift", constant=0.5)
        relu = elementwise("identity", [shift.output], "relu", activation=RELU)
        program = fuse(x, [first, scale, shift, relu])
        assert program.script().splitlines()[1:] == [
            "relu: 16x4x4 nchw8c = Conv(x)  # conv+scale+shift+relu",
            "output relu: 16x4x4 nchw8c",
        ]
        (step,) = program.steps
        assert epilogue(step) == "bias+relu"
        np.testing.assert_array_equal(step.constants[0], np.full((16, 16, 1, 1), 3))
        np.testing.assert_array_equal(step.constants[1], np.full(16, 0.5))

    def test_a_scale_after_a_shift_scales_both(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        shift = elementwise("add", [first.output], "shift", constant=0.5)
        scale = elementwise("multiply", [shift.output], "scale", constant=3)
        (step,) = fuse(x, [first, shift, scale]).steps
        np.testing.assert_array_equal(step.constants[1], np.full(16, 1.5))

    def test_an_infinite_scale_stays_behind_the_sum(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        scale = elementwise("multiply", [first.output], "scale", constant=np.inf)
        assert len(fuse(x, [first, scale]).steps) == 2

    def test_depthwise(self) -> None:
        x = image("x")
        first = depthwise(x, "dw")
        relu = elementwise("identity", [first.output], "relu", activation=RELU)
        (step,) = fuse(x, [first, relu]).steps
        assert epilogue(step) == "bias+relu"

    def test_an_activation_of_a_sum(self) -> None:
        x, z = image("x"), image("z")
        total = elementwise("add", [x, z], "sum")
        relu = elementwise("identity", [total.output], "relu", activation=RELU)
        (step,) = fuse([x, z], [total, relu]).steps
        assert isinstance(step.workload, Elementwise)
        assert (step.workload.operation, step.workload.activation) == ("add", RELU)

    def test_an_activation_is_the_end(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        relu = elementwise("identity", [first.output], "relu", activation=RELU)
        scale = elementwise("multiply", [relu.output], "scale", constant=3)
        steps = fuse(x, [first, relu, scale]).steps
        assert [step.nodes for step in steps] == [("conv", "relu"), ("scale",)]

    @pytest.mark.parametrize("operation", ["subtract", "divide", "maximum"])
    def test_other_arithmetic_stays(self, operation: str) -> None:
        x = image("x")
        first = conv(x, "conv")
        other = elementwise(operation, [first.output], "other", constant=3)
        assert len(fuse(x, [first, other]).steps) == 2

    def test_a_value_that_is_read_twice_stays(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        relu = elementwise("identity", [first.output], "relu", activation=RELU)
        other = pool(first.output, "other")
        assert len(fuse(x, [first, relu, other], relu.output, other.output).steps) == 3

    def test_an_output_of_the_model_stays(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        relu = elementwise("identity", [first.output], "relu", activation=RELU)
        assert len(fuse(x, [first, relu], first.output, relu.output).steps) == 2

    def test_a_value_with_a_view_stays(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        view = Value("view", first.output.tensor, view_of=first.output)
        relu = elementwise("identity", [first.output], "relu", activation=RELU)
        total = elementwise("add", [relu.output, view], "sum")
        assert len(fuse(x, [first, relu, total]).steps) == 3

    def test_a_part_of_a_concatenation_is_written_by_the_fused_step(self) -> None:
        x = image("x")
        whole = image("whole", channels=32)
        first = conv(x, "conv")
        relu = elementwise("identity", [first.output], "relu", activation=RELU)
        relu.output.view_of, relu.output.offset = whole, 2
        end = pool(whole, "end")
        steps = fuse(x, [first, relu, end]).steps
        assert [step.nodes for step in steps] == [("conv", "relu"), ("end",)]
        assert steps[0].output.view_of is whole


class TestResiduals:
    @pytest.mark.parametrize("swapped", [False, True])
    def test_the_later_convolution_adds_the_earlier_value(self, swapped: bool) -> None:
        x = image("x")
        first, second = conv(x, "first"), conv(x, "second")
        operands = [second.output, first.output] if swapped else [first.output, second.output]
        total = elementwise("add", operands, "sum")
        relu = elementwise("identity", [total.output], "relu", activation=RELU)
        program = fuse(x, [first, second, total, relu])
        assert program.script().splitlines()[1:-1] == [
            "first: 16x4x4 nchw8c = Conv(x)  # first",
            "relu: 16x4x4 nchw8c = Conv(x, first)  # second+sum+relu",
        ]
        assert epilogue(program.steps[1]) == "bias+residual+relu"

    def test_a_value_that_is_computed_later_is_not_added(self) -> None:
        x = image("x")
        first, later = conv(x, "first"), pool(x, "later")
        total = elementwise("add", [first.output, later.output], "sum")
        assert len(fuse(x, [first, later, total]).steps) == 3

    def test_a_concatenation_that_is_completed_later_is_not_added(self) -> None:
        x, half = image("x"), image("half", channels=8)
        whole = image("whole")
        first = conv(x, "first")
        parts = [pool(half, "left"), pool(half, "right")]
        for offset, part in enumerate(parts):
            part.output.view_of, part.output.offset = whole, offset
        total = elementwise("add", [first.output, whole], "sum")
        assert len(fuse([x, half], [parts[0], first, parts[1], total]).steps) == 4
        steps = [*parts, conv(x, "second")]
        total = elementwise("add", [steps[-1].output, whole], "sum_2")
        assert len(fuse([x, half], [*steps, total]).steps) == 3

    def test_a_second_residual_stays(self) -> None:
        x, z = image("x"), image("z")
        first = conv(x, "conv")
        once = elementwise("add", [first.output, x], "once")
        twice = elementwise("add", [once.output, z], "twice")
        assert [step.nodes for step in fuse([x, z], [first, once, twice]).steps] == [("conv", "once"), ("twice",)]

    def test_a_scale_after_a_residual_stays(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        total = elementwise("add", [first.output, x], "sum")
        scale = elementwise("multiply", [total.output], "scale", constant=3)
        assert len(fuse(x, [first, total, scale]).steps) == 2

    def test_a_sum_with_itself_stays(self) -> None:
        x = image("x")
        first = conv(x, "conv")
        total = elementwise("add", [first.output, first.output], "sum")
        assert len(fuse(x, [first, total]).steps) == 2

    def test_one_pixel_for_all_is_no_residual(self) -> None:
        x = image("x")
        pixel = Value("pixel", Blocked(16, 1, 1, LANES))
        first = conv(x, "conv")
        total = elementwise("add", [first.output, pixel], "sum")
        assert len(fuse([x, pixel], [first, total]).steps) == 2
