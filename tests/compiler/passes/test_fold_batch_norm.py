from __future__ import annotations

import numpy as np
import pytest

from separable.compiler._tvm import relax
from separable.compiler.exprs import const
from separable.compiler.passes.fold_batch_norm import fold_batch_norm
from tests.compiler.models import operators, random
from tests.compiler.passes.common import assert_same_values, module, weight

op = relax.op
IMAGE = (1, 4, 7, 6)


def norm(x: relax.Expr, channels: int) -> relax.Expr:
    gamma, beta, mean = (weight(channels, seed=seed) for seed in (1, 2, 3))
    variance = const(np.abs(random(channels, seed=4)) + np.float32(0.1))
    return relax.TupleGetItem(op.nn.batch_norm(x, gamma, beta, mean, variance, axis=1, training=False), 0)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_after_a_convolution(groups: int, bias: bool) -> None:
    def function(x: relax.Expr) -> relax.Expr:
        y = op.nn.conv2d(x, weight(8, 4 // groups, 3, 3), padding=[1, 0, 1, 2], groups=groups, strides=[2, 1])
        return norm(op.add(y, weight(1, 8, 1, 1, seed=5)) if bias else y, 8)

    before = module(IMAGE, function)
    after = fold_batch_norm(before)
    assert operators(after) == ["nn.conv2d", "add"]
    assert_same_values(before, after)


@pytest.mark.parametrize("bias", [False, True])
def test_after_a_dense_layer(bias: bool) -> None:
    def function(x: relax.Expr) -> relax.Expr:
        y = op.matmul(x, weight(5, 3))
        return norm(op.add(y, weight(3, seed=5)) if bias else y, 3)

    before = module((2, 5), function)
    after = fold_batch_norm(before)
    assert operators(after) == ["matmul", "add"]
    assert_same_values(before, after)


def test_alone() -> None:
    before = module(IMAGE, lambda x: norm(op.nn.relu(x), 4))
    after = fold_batch_norm(before)
    assert operators(after) == ["nn.relu", "multiply", "add"]
    assert_same_values(before, after)


def test_of_the_input() -> None:
    before = module((2, 3), lambda x: norm(x, 3))
    after = fold_batch_norm(before)
    assert operators(after) == ["multiply", "add"]
    assert_same_values(before, after)


def test_a_convolution_that_is_read_elsewhere_keeps_its_weights() -> None:
    def function(x: relax.Expr) -> relax.Expr:
        y = op.nn.conv2d(x, weight(4, 4, 1, 1))
        return op.add(y, norm(y, 4))

    before = module(IMAGE, function)
    after = fold_batch_norm(before)
    assert operators(after) == ["nn.conv2d", "multiply", "add", "add"]
    assert_same_values(before, after)


def test_a_bias_along_the_width_is_no_bias() -> None:
    # Eight columns and eight channels: only the axis tells them apart.
    def function(x: relax.Expr) -> relax.Expr:
        return norm(op.add(op.nn.conv2d(x, weight(8, 4, 1, 1)), weight(8, seed=5)), 8)

    before = module((1, 4, 3, 8), function)
    assert_same_values(before, fold_batch_norm(before))
