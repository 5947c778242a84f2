from __future__ import annotations

import pytest

from separable.compiler._tvm import relax
from separable.compiler.passes.fold_input_scale import fold_input_scale
from tests.compiler.models import operators
from tests.compiler.passes.common import Function, assert_becomes, assert_same_values, module, scalar, weight

op = relax.op
IMAGE = (1, 4, 7, 6)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_scale_and_shift(groups: int) -> None:
    def function(x: relax.Expr) -> relax.Expr:
        y = op.add(op.multiply(x, weight(1, 4, 1, 1, seed=1)), weight(1, 4, 1, 1, seed=2))
        return op.nn.conv2d(y, weight(8, 4 // groups, 3, 3), groups=groups)

    before = module(IMAGE, function)
    after = fold_input_scale(before)
    assert operators(after) == ["nn.conv2d", "add"]
    assert_same_values(before, after)


def test_scale_passes_padding() -> None:
    before = module(IMAGE, lambda x: op.nn.conv2d(op.multiply(x, scalar(0.5)), weight(8, 4, 3, 3), padding=1))
    after = fold_input_scale(before)
    assert operators(after) == ["nn.conv2d"]
    assert_same_values(before, after)


@pytest.mark.parametrize(
    "shift",
    [
        pytest.param(lambda x: op.nn.conv2d(op.add(x, scalar(0.5)), weight(8, 4, 3, 3), padding=1), id="padded"),
        pytest.param(lambda x: op.nn.conv2d(op.add(x, weight(1, 1, 7, 6)), weight(8, 4, 3, 3)), id="per pixel"),
        pytest.param(lambda x: op.nn.conv2d(op.add(x, x), weight(8, 4, 3, 3)), id="not constant"),
    ],
)
def test_what_cannot_move_stays(shift: Function) -> None:
    before = module(IMAGE, shift)
    assert_becomes(fold_input_scale(before), before)
