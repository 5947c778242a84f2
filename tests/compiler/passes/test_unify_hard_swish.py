from __future__ import annotations

import pytest

from separable.compiler._tvm import relax
from separable.compiler.passes.unify_hard_swish import unify_hard_swish
from tests.compiler.models import operators
from tests.compiler.passes.common import Function, assert_becomes, assert_same_values, module, scalar

op = relax.op
SHAPE = (2, 3, 4, 5)
SIXTH = scalar(1 / 6)


def relu6_of_shifted(x: relax.Expr) -> relax.Expr:
    return op.clip(op.add(x, scalar(3)), 0.0, 6.0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: op.multiply(x, op.multiply(relu6_of_shifted(x), SIXTH)),
        lambda x: op.multiply(op.multiply(relu6_of_shifted(x), SIXTH), x),
        lambda x: op.multiply(op.multiply(x, relu6_of_shifted(x)), SIXTH),
        lambda x: op.multiply(op.multiply(relu6_of_shifted(x), x), SIXTH),
    ],
)
def test_hard_swish(function: Function) -> None:
    before = module(SHAPE, function)
    after = unify_hard_swish(before)
    assert operators(after) == ["multiply", "add", "clip", "multiply"]
    assert_same_values(before, after)


def test_hard_sigmoid() -> None:
    before = module(SHAPE, lambda x: op.multiply(relu6_of_shifted(x), SIXTH))
    after = unify_hard_swish(before)
    assert operators(after) == ["multiply", "add", "clip"]
    assert_same_values(before, after)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: op.multiply(relu6_of_shifted(x), scalar(0.5)),
        lambda x: op.multiply(op.clip(x, 0.0, 6.0), SIXTH),
        lambda x: op.multiply(op.multiply(x, x), SIXTH),
    ],
    ids=["another factor", "no shift", "no clip"],
)
def test_other_products_stay(function: Function) -> None:
    before = module(SHAPE, function)
    assert_becomes(unify_hard_swish(before), before)
