"""Every rule of the lowering, as the program it makes. Names of steps come from the nodes; blocks have 8 channels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from separable.compiler.program import Program
from separable.schedules.tensor import Plain
from separable.schedules.workload import Conv, Elementwise, Generic, Pool, Reorder, Window

from .models import node, random
from .programs import kinds, lower

IMAGE = {"x": [1, 16, 2, 2]}
POINTWISE = node("Conv", "x w", "a", "conv")
W = {"w": random(16, 16, 1, 1)}


def check(program: Program, *lines: str) -> None:
    """The program's steps and outputs; the inputs go without saying."""
    text = [line for line in program.script().splitlines() if not line.startswith("input")]
    assert text == list(lines)


def sizes(*values: int) -> Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    return {"s": np.array(values, np.int64)}


class TestConvolutions:
    def test_few_channels_are_read_from_plain_memory(self, tmp_path: Path) -> None:
        nodes = [node("Conv", "x w", pads=[1, 2, 0, 1], strides=[2, 1])]
        program = lower(tmp_path, nodes, {"x": [1, 3, 4, 4]}, weights={"w": random(8, 3, 3, 3)})
        check(
            program,
            "conv: 8x2x5 nchw8c = Conv(x)  # conv",
            "conv_plain: [1, 8, 2, 5] = Reorder(conv)  # conv_plain",
            "output conv_plain: [1, 8, 2, 5]",
        )
        workload = program.steps[0].workload
        assert isinstance(workload, Conv)
        assert workload.x == Plain((1, 3, 4, 4))
        assert workload.window == Window((3, 3), (2, 1), (1, 1), (1, 2))

    def test_many_channels_are_blocked_first(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [node("Conv", "x w")], IMAGE, weights={"w": random(5, 16, 2, 2)})
        check(
            program,
            "x_image: 16x2x2 nchw8c = Reorder(x)  # x_image",
            "conv: 5x1x1 nchw8c = Conv(x_image)  # conv",
            "conv_plain: [1, 5, 1, 1] = Reorder(conv)  # conv_plain",
            "output conv_plain: [1, 5, 1, 1]",
        )

    def test_an_image_is_blocked_once(self, tmp_path: Path) -> None:
        nodes = [POINTWISE, node("Conv", "x w", "b", "conv_2")]
        program = lower(tmp_path, nodes, IMAGE, "a b", W)
        assert kinds(program) == ["Reorder", "Conv", "Conv", "Reorder", "Reorder"]

    @pytest.mark.parametrize(
        ("shape", "groups", "kind"),
        [((16, 1, 2, 2), 16, "Depthwise"), ((32, 1, 1, 1), 16, "Conv"), ((6, 8, 1, 1), 2, "Conv")],
    )
    def test_groups(self, shape: tuple[int, ...], groups: int, kind: str, tmp_path: Path) -> None:
        nodes = [node("Conv", "x w", group=groups)]
        program = lower(tmp_path, nodes, IMAGE, weights={"w": random(*shape)})
        assert kinds(program) == ["Reorder", kind, "Reorder"]
        assert getattr(program.steps[1].workload, "groups", 16) == groups

    def test_padding_of_one_pixel_needs_memory_of_its_own(self, tmp_path: Path) -> None:
        nodes = [node("GlobalAveragePool", "x", "g", "pool"), node("Conv", "g w", pads=[1] * 4)]
        program = lower(tmp_path, nodes, IMAGE, weights={"w": random(8, 16, 3, 3)})
        check(
            program,
            "x_image: 16x2x2 nchw8c = Reorder(x)  # x_image",
            "pool: 16x1x1 nchw8c = GlobalPool(x_image)  # pool",
            "conv_input: 16x1x1 nchw8c = Reorder(pool_view)  # conv_input",
            "conv: 8x1x1 nchw8c = Conv(conv_input)  # conv",
            "conv_plain: [1, 8, 1, 1] = Reorder(conv)  # conv_plain",
            "output conv_plain: [1, 8, 1, 1]",
        )

    def test_several_images(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [node("Conv", "x w")], {"x": [2, 16, 2, 2]}, weights=W)
        check(
            program,
            "x_image: 2x16x2x2 nchw8c = Reorder(x)  # x_image",
            "conv: 2x16x2x2 nchw8c = Conv(x_image)  # conv",
            "conv_plain: [2, 16, 2, 2] = Reorder(conv)  # conv_plain",
            "output conv_plain: [2, 16, 2, 2]",
        )


class TestMatrixProducts:
    def test_one_row_is_a_convolution_of_one_pixel(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [node("MatMul", "x w")], {"x": [1, 20]}, weights={"w": random(20, 5)})
        check(
            program,
            "x_image: 20x1x1 nchw8c = Reorder(x)  # x_image",
            "matmul: 5x1x1 nchw8c = Conv(x_image)  # matmul",
            "matmul_plain: [1, 5, 1, 1] = Reorder(matmul)  # matmul_plain",
            "output matmul_plain: [1, 5] = matmul_plain[0:]",
        )
        weight, _ = program.steps[1].constants
        assert weight.shape == (5, 20, 1, 1)

    @pytest.mark.parametrize("shape", [(1, 1, 1, 20), (1, 1, 20), (20,)])
    def test_columns_are_channels_in_a_matrix_only(self, shape: tuple[int, ...], tmp_path: Path) -> None:
        nodes = [node("MatMul", "x w", "a"), node("Mul", "a c")]
        weights = {"w": random(20, 5), "c": np.array(2, np.float32)}
        program = lower(tmp_path, nodes, {"x": shape}, weights=weights)
        assert kinds(program) == ["Reorder", "Conv", "Generic"]
        assert program.steps[-1].workload.y == Plain((*shape[:-1], 5))

    def test_one_row_in_four_dimensions_is_an_image_of_one_channel(self, tmp_path: Path) -> None:
        nodes = [node("MatMul", "x w", "a"), node("MaxPool", "a", kernel_shape=[1, 2])]
        program = lower(tmp_path, nodes, {"x": [1, 1, 1, 20]}, weights={"w": random(20, 5)})
        check(
            program,
            "x_image: 20x1x1 nchw8c = Reorder(x)  # x_image",
            "matmul: 5x1x1 nchw8c = Conv(x_image)  # matmul",
            "matmul_image: 1x1x5 nchw8c = Reorder(matmul)  # matmul_image",
            "maxpool: 1x1x4 nchw8c = Pool(matmul_image)  # maxpool",
            "maxpool_plain: [1, 1, 1, 4] = Reorder(maxpool)  # maxpool_plain",
            "output maxpool_plain: [1, 1, 1, 4]",
        )

    def test_several_rows(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [node("MatMul", "x w")], {"x": [1, 3, 20]}, weights={"w": random(20, 5)})
        check(program, "matmul: [3, 5] = Dense(x_view)  # matmul", "output matmul: [1, 3, 5] = matmul[0:]")

    def test_a_classifier_stays_blocked(self, tmp_path: Path) -> None:
        nodes = [
            node("GlobalAveragePool", "x", "g", "pool"),
            node("Flatten", "g", "f"),
            node("Gemm", "f w b", transB=1),
        ]
        weights = {"w": random(10, 16), "b": random(10)}
        program = lower(tmp_path, nodes, IMAGE, weights=weights)
        assert kinds(program) == ["Reorder", "GlobalPool", "Conv", "Elementwise", "Reorder"]
        assert program.steps[2].inputs == [program.steps[1].output]

    def test_a_flattened_image_is_read_in_the_order_of_onnx(self, tmp_path: Path) -> None:
        nodes = [POINTWISE, node("Flatten", "a", "f"), node("Gemm", "f v", transB=1)]
        program = lower(tmp_path, nodes, IMAGE, weights={**W, "v": random(10, 64)})
        assert [step.inputs[0].name for step in program.steps[2:4]] == ["conv", "conv_plain_view_image"]
        assert program.steps[3].inputs[0].root is program.steps[2].output


class TestElementwise:
    def test_activations_and_constants_of_blocked_images(self, tmp_path: Path) -> None:
        nodes = [
            POINTWISE,
            node("Mul", "c a", "b", "scale"),
            node("LeakyRelu", "b", "d", "leaky", alpha=0.5),
            node("Sub", "one d", "y", "sub"),
        ]
        weights = {**W, "c": random(16, 1, 1), "one": np.array(1, np.float32)}
        program = lower(tmp_path, nodes, IMAGE, weights=weights)
        assert kinds(program) == ["Reorder", "Conv", "Elementwise", "Elementwise", "Elementwise", "Reorder"]
        scale, leaky, sub = (step.workload for step in program.steps[2:5])
        assert isinstance(scale, Elementwise)
        assert isinstance(leaky, Elementwise)
        assert isinstance(sub, Elementwise)
        assert (scale.operation, scale.constant) == ("multiply", True)
        assert str(leaky.activation) == "leaky_relu(0.5)"
        assert (sub.operation, sub.swapped) == ("subtract", True)

    def test_two_images_and_an_image_of_one_pixel(self, tmp_path: Path) -> None:
        nodes = [
            POINTWISE,
            node("GlobalAveragePool", "a", "g", "pool"),
            node("Mul", "g a", "m", "gate"),
            node("Add", "m a", "y", "sum"),
        ]
        program = lower(tmp_path, nodes, IMAGE, weights=W)
        check(
            program,
            "x_image: 16x2x2 nchw8c = Reorder(x)  # x_image",
            "conv: 16x2x2 nchw8c = Conv(x_image)  # conv",
            "pool: 16x1x1 nchw8c = GlobalPool(conv)  # pool",
            "gate: 16x2x2 nchw8c = Elementwise(conv, pool)  # gate",
            "sum: 16x2x2 nchw8c = Elementwise(gate, conv)  # sum",
            "sum_plain: [1, 16, 2, 2] = Reorder(sum)  # sum_plain",
            "output sum_plain: [1, 16, 2, 2]",
        )

    def test_an_image_that_the_other_operand_widens_is_plain(self, tmp_path: Path) -> None:
        nodes = [POINTWISE, node("Add", "a c")]
        program = lower(tmp_path, nodes, IMAGE, weights={**W, "c": random(2, 2)})
        assert kinds(program) == ["Reorder", "Conv", "Reorder", "Generic"]

    def test_plain_tensors_stay_plain(self, tmp_path: Path) -> None:
        check(
            lower(tmp_path, [node("Relu", "x")], IMAGE),
            "relu: [1, 16, 2, 2] = Generic(x)  # relu",
            "output relu: [1, 16, 2, 2]",
        )


class TestGeneric:
    def test_an_operand_that_occurs_twice_is_two_inputs(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [node("Mul", "x x")], {"x": [3, 4]})
        (step,) = program.steps
        assert isinstance(step.workload, Generic)
        assert step.inputs == [program.inputs[0]] * 2
        assert len(step.workload.func.params) == 3

    def test_constants_follow_the_inputs_and_scalars_are_written_into_the_code(self, tmp_path: Path) -> None:
        nodes = [node("Sub", "c x", "a"), node("Mul", "a two")]
        weights = {"c": random(4), "two": np.array(2, np.float32)}
        program = lower(tmp_path, nodes, {"x": [3, 4]}, weights=weights)
        first, second = program.steps
        assert [array.shape for array in first.constants] == [(4,)]
        assert second.constants == []
        assert isinstance(first.workload, Generic)
        assert first.workload.x == (Plain((3, 4)), Plain((4,)))

    def test_a_constant_of_one_element_is_handed_in(self, tmp_path: Path) -> None:
        (step,) = lower(tmp_path, [node("Mul", "x c")], {"x": [3, 4]}, weights={"c": random(1, 1)}).steps
        assert [array.shape for array in step.constants] == [(1, 1)]


class TestPools:
    def test_windows_and_whole_images(self, tmp_path: Path) -> None:
        nodes = [
            node("AveragePool", "x", "a", kernel_shape=[2, 2], pads=[1, 0, 1, 0], count_include_pad=1),
            node("GlobalMaxPool", "a"),
        ]
        program = lower(tmp_path, nodes, IMAGE)
        assert kinds(program) == ["Reorder", "Pool", "GlobalPool", "Reorder"]
        pool = program.steps[1].workload
        assert isinstance(pool, Pool)
        assert (pool.kind, pool.window, pool.count_include_pad) == ("avg", Window((2, 2), pad=(1, 0)), True)

    def test_a_mean_without_its_axes_is_the_same_memory(self, tmp_path: Path) -> None:
        nodes = [node("ReduceMean", "x", "a", axes=[2, 3], keepdims=0), node("Gemm", "a w", transB=1)]
        program = lower(tmp_path, nodes, IMAGE, weights={"w": random(8, 16)})
        assert kinds(program) == ["Reorder", "GlobalPool", "Conv", "Reorder"]

    def test_other_axes_are_generic(self, tmp_path: Path) -> None:
        assert kinds(lower(tmp_path, [node("ReduceMean", "x", axes=[1])], IMAGE)) == ["Generic"]

    def test_softmax_over_the_last_axis(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [node("Softmax", "x", axis=-1)], {"x": [1, 2, 5]})
        check(program, "softmax: [2, 5] = Softmax(x_view)  # softmax", "output softmax: [1, 2, 5] = softmax[0:]")

    def test_softmax_over_another_axis_is_generic(self, tmp_path: Path) -> None:
        assert kinds(lower(tmp_path, [node("Softmax", "x", axis=1)], IMAGE)) == ["Generic"]


class TestMovement:
    def test_channels_last_is_a_change_of_layout(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [POINTWISE, node("Transpose", "a", perm=[0, 2, 3, 1])], IMAGE, weights=W)
        assert kinds(program) == ["Reorder", "Conv", "Reorder"]
        workload = program.steps[2].workload
        assert isinstance(workload, Reorder)
        assert workload.channels_last

    def test_another_transpose_is_generic(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [POINTWISE, node("Transpose", "a", perm=[0, 3, 2, 1])], IMAGE, weights=W)
        assert kinds(program) == ["Reorder", "Conv", "Reorder", "Generic"]

    @pytest.mark.parametrize(
        ("mode", "coordinates", "rounding", "size", "kind"),
        [
            ("nearest", "asymmetric", "floor", 4, "Resize"),
            ("nearest", "asymmetric", "floor", 3, "Resize"),
            ("nearest", "half_pixel", "round_prefer_floor", 4, "Resize"),
            ("nearest", "half_pixel", "round_prefer_floor", 3, "Generic"),
            ("nearest", "asymmetric", "ceil", 4, "Generic"),
            ("nearest", "align_corners", "floor", 4, "Generic"),
            ("linear", "half_pixel", "floor", 4, "Generic"),
        ],
    )
    def test_resize(self, mode: str, coordinates: str, rounding: str, size: int, kind: str, tmp_path: Path) -> None:
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
        nodes = [POINTWISE, node("Resize", "a _ _ s", **attributes)]
        program = lower(tmp_path, nodes, IMAGE, weights={**W, **sizes(1, 16, size, size)})
        assert kind in kinds(program)


class TestConcatenation:
    def test_whole_blocks_are_written_in_place(self, tmp_path: Path) -> None:
        nodes = [
            POINTWISE,
            node("Conv", "x v", "b", "narrow"),
            node("Concat", "a b", "c", "concat", axis=1),
            node("MaxPool", "c", "y", "pool", kernel_shape=[2, 2]),
        ]
        program = lower(tmp_path, nodes, IMAGE, weights={**W, "v": random(5, 16, 1, 1)})
        check(
            program,
            "x_image: 16x2x2 nchw8c = Reorder(x)  # x_image",
            "conv: 16x2x2 nchw8c = concat[0:] = Conv(x_image)  # conv",
            "narrow: 5x2x2 nchw8c = concat[2:] = Conv(x_image)  # narrow",
            "pool: 21x1x1 nchw8c = Pool(concat)  # pool",
            "pool_plain: [1, 21, 1, 1] = Reorder(pool)  # pool_plain",
            "output pool_plain: [1, 21, 1, 1]",
        )

    def test_an_odd_part_before_the_end_makes_it_plain(self, tmp_path: Path) -> None:
        nodes = [POINTWISE, node("Conv", "x v", "b", "narrow"), node("Concat", "b a", "y", "concat", axis=1)]
        program = lower(tmp_path, nodes, IMAGE, weights={**W, "v": random(5, 16, 1, 1)})
        check(
            program,
            "x_image: 16x2x2 nchw8c = Reorder(x)  # x_image",
            "conv: 16x2x2 nchw8c = Conv(x_image)  # conv",
            "narrow: 5x2x2 nchw8c = Conv(x_image)  # narrow",
            "narrow_plain: [1, 5, 2, 2] = concat[0:] = Reorder(narrow)  # narrow_plain",
            "conv_plain: [1, 16, 2, 2] = concat[20:] = Reorder(conv)  # conv_plain",
            "output concat: [1, 21, 2, 2]",
        )

    def test_the_same_image_twice_is_copied_once(self, tmp_path: Path) -> None:
        nodes = [POINTWISE, node("Concat", "a a", "c", "concat", axis=1), node("GlobalMaxPool", "c")]
        program = lower(tmp_path, nodes, IMAGE, weights=W)
        parts = [repr(step) for step in program.steps if step.output.view_of is not None]
        assert parts == [
            "conv: 16x2x2 nchw8c = concat[0:] = Conv(x_image)  # conv",
            "conv_part: 16x2x2 nchw8c = concat[2:] = Elementwise(conv)  # concat",
        ]

    def test_an_input_of_the_model_is_copied(self, tmp_path: Path) -> None:
        nodes = [node("Relu", "x", "a"), node("Concat", "a x", "y", "concat", axis=1)]
        check(
            lower(tmp_path, nodes, IMAGE),
            "relu: [1, 16, 2, 2] = concat[0:] = Generic(x)  # relu",
            "x_part: [1, 16, 2, 2] = concat[64:] = Reorder(x)  # concat",
            "output concat: [1, 32, 2, 2]",
        )

    def test_a_part_that_is_used_elsewhere_is_read_where_it_lies(self, tmp_path: Path) -> None:
        nodes = [
            POINTWISE,
            node("Relu", "a", "b"),
            node("Concat", "b a", "c", "concat", axis=1),
            node("Abs", "a", "d"),
            node("GlobalMaxPool", "c", "e"),
        ]
        program = lower(tmp_path, nodes, IMAGE, "d e", W)
        conv, relu, absolute = program.steps[1:4]
        assert absolute.inputs == [conv.output]
        assert conv.output.root is relu.output.root

    def test_a_part_of_two_concatenations_is_copied_into_the_second(self, tmp_path: Path) -> None:
        nodes = [
            POINTWISE,
            node("Conv", "x w", "b", "conv_2"),
            node("Concat", "a b", "c", "concat", axis=1),
            node("Concat", "b a", "d", "concat_2", axis=1),
            node("Add", "c d"),
        ]
        program = lower(tmp_path, nodes, IMAGE, weights=W)
        owners = [step.output.root.name for step in program.steps if step.output.view_of is not None]
        assert owners == ["concat", "concat", "concat_2", "concat_2"]

    def test_along_an_inner_axis_it_is_generic(self, tmp_path: Path) -> None:
        nodes = [node("Relu", "x", "a"), node("Concat", "a x", axis=3)]
        assert kinds(lower(tmp_path, nodes, IMAGE)) == ["Generic", "Generic"]

    def test_with_a_constant_it_is_generic(self, tmp_path: Path) -> None:
        nodes = [node("Concat", "x c", axis=1)]
        assert kinds(lower(tmp_path, nodes, IMAGE, weights={"c": random(1, 2, 2, 2)})) == ["Generic"]


class TestOutputs:
    def test_a_view_of_an_input_is_copied(self, tmp_path: Path) -> None:
        check(
            lower(tmp_path, [node("Flatten", "x")], IMAGE),
            "x_view_copy: [1, 64] = Reorder(x_view)  # x_view_copy",
            "output x_view_copy: [1, 64]",
        )

    def test_a_value_and_its_view_do_not_share_memory(self, tmp_path: Path) -> None:
        nodes = [node("Softmax", "x", "a", "softmax"), node("Reshape", "a s", "b")]
        check(
            lower(tmp_path, nodes, {"x": [1, 10]}, "a b", sizes(10)),
            "softmax: [1, 10] = Softmax(x)  # softmax",
            "softmax_view_copy: [10] = Reorder(softmax_view)  # softmax_view_copy",
            "output softmax: [1, 10]",
            "output softmax_view_copy: [10]",
        )

    def test_the_same_value_twice(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [node("Softmax", "x", "a"), node("Identity", "a", "b")], {"x": [1, 10]}, "a b")
        first, second = program.outputs
        assert first.root is not second.root

    def test_a_blocked_image_becomes_plain(self, tmp_path: Path) -> None:
        program = lower(tmp_path, [POINTWISE, node("Flatten", "a")], IMAGE, weights=W)
        check(
            program,
            "x_image: 16x2x2 nchw8c = Reorder(x)  # x_image",
            "conv: 16x2x2 nchw8c = Conv(x_image)  # conv",
            "conv_plain: [1, 16, 2, 2] = Reorder(conv)  # conv_plain",
            "output conv_plain_view: [1, 64] = conv_plain[0:]",
        )

    def test_a_part_of_a_concatenation_is_copied(self, tmp_path: Path) -> None:
        nodes = [node("Relu", "x", "a"), node("Concat", "a a", "y", "concat", axis=1)]
        program = lower(tmp_path, nodes, IMAGE, "a y")
        assert [output.view_of for output in program.outputs] == [None, None]

    def test_memory_that_is_read_beyond_its_end_is_not_the_callers(self, tmp_path: Path) -> None:
        """Blocks of 8 channels are read whole; a caller's 5 channels end before."""
        nodes = [
            node("ReduceSum", "x axes", "a", "sum"),
            node("MaxPool", "a", "b", kernel_shape=[1, 1]),
        ]
        weights = {"axes": np.array([2, 3], np.int64)}
        program = lower(tmp_path, nodes, {"x": [1, 5, 2, 2]}, "a b", weights)
        assert program.outputs[0].name == "sum_copy"

    def test_one_that_depends_on_no_input_is_computed_from_constants(self, tmp_path: Path) -> None:
        nodes = [node("Relu", "x", "a"), node("Relu", "c", "b", "fixed")]
        program = lower(tmp_path, nodes, {"x": [1, 4]}, "a b", {"c": random(4)})
        assert repr(program.steps[1]) == "fixed: [4] = Generic()  # fixed"
        assert [array.shape for array in program.steps[1].constants] == [(4,)]
