from __future__ import annotations

import numpy as np
import pytest

from separable.compiler._tvm import relax
from separable.compiler.exprs import const
from separable.compiler.passes.fold_constants import fold_constants
from tests.compiler.models import random
from tests.compiler.passes.common import Function, assert_becomes, assert_same_values, module, scalar, weight

op = relax.op
SHAPE = (2, 3, 4, 5)
TWO, THREE = scalar(2), scalar(3)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(lambda x: op.add(x, op.multiply(TWO, THREE)), lambda x: op.add(x, scalar(6)), id="evaluate"),
        pytest.param(lambda x: op.add(x, op.negative(op.nn.relu(TWO))), lambda x: op.add(x, scalar(-2)), id="unary"),
        pytest.param(lambda x: op.add(TWO, x), lambda x: op.add(x, TWO), id="order"),
        pytest.param(lambda x: op.subtract(x, TWO), lambda x: op.add(x, scalar(-2)), id="subtract"),
        pytest.param(lambda x: op.divide(x, TWO), lambda x: op.multiply(x, scalar(0.5)), id="divide"),
        pytest.param(lambda x: op.add(op.add(x, TWO), THREE), lambda x: op.add(x, scalar(5)), id="merge add"),
        pytest.param(
            lambda x: op.multiply(THREE, op.multiply(x, TWO)), lambda x: op.multiply(x, scalar(6)), id="merge multiply"
        ),
        pytest.param(lambda x: op.add(x, weight(3, 1, 1)), lambda x: op.add(x, weight(1, 3, 1, 1)), id="align"),
    ],
)
def test_arithmetic_with_constants_has_one_form(function: Function, expected: Function) -> None:
    before, after = module(SHAPE, function), module(SHAPE, expected)
    assert_becomes(fold_constants(before), after)
    assert_same_values(before, after)


def test_moved_constants_are_evaluated() -> None:
    value = random(3, 2)
    before = module((1, 2, 3), lambda x: op.add(x, op.reshape(op.permute_dims(const(value), [1, 0]), (1, 2, 3))))
    assert_becomes(fold_constants(before), module((1, 2, 3), lambda x: op.add(x, const(value.T.reshape(1, 2, 3)))))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: op.add(x, x),
        lambda x: op.subtract(TWO, x),
        lambda x: op.divide(TWO, x),
        lambda x: op.add(op.multiply(x, TWO), THREE),
    ],
    ids=["no constant", "from a constant", "of a constant", "different operations"],
)
def test_the_rest_stays(function: Function) -> None:
    before = module(SHAPE, function)
    assert_becomes(fold_constants(before), before)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: op.divide(x, scalar(1e-39)),
        lambda x: op.multiply(op.multiply(x, scalar(1e30)), scalar(1e30)),
        lambda x: op.multiply(op.multiply(x, scalar(1e-30)), scalar(1e-30)),
    ],
    ids=["reciprocal too large", "product too large", "product too small"],
)
def test_constants_that_float32_cannot_hold_are_not_made(function: Function) -> None:
    before = module((2,), function)
    assert_becomes(fold_constants(before), before)


def test_division_by_zero_is_the_models_own_business() -> None:
    after = fold_constants(module((2,), lambda x: op.divide(x, scalar(0))))
    assert_becomes(after, module((2,), lambda x: op.multiply(x, scalar(np.inf))))
