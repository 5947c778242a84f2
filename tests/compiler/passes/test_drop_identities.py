from __future__ import annotations

import pytest

from separable.compiler._tvm import relax
from separable.compiler.passes.drop_identities import drop_identities
from tests.compiler.passes.common import Function, assert_becomes, assert_same_values, module

op = relax.op
IMAGE = (1, 4, 6, 8)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: op.reshape(x, IMAGE), id="reshape to the same shape"),
        pytest.param(lambda x: op.reshape(op.reshape(x, (1, 192)), IMAGE), id="reshape there and back"),
        pytest.param(lambda x: op.permute_dims(x, [0, 1, 2, 3]), id="transpose nothing"),
        pytest.param(lambda x: op.permute_dims(op.permute_dims(x, [0, 2, 3, 1]), [0, 3, 1, 2]), id="transpose back"),
        pytest.param(lambda x: op.nn.pad(x, [0] * 8), id="pad nothing"),
        pytest.param(lambda x: op.concat([x], axis=1), id="concat one"),
        pytest.param(lambda x: op.strided_slice(x, [1], [0], [4], [1]), id="slice all"),
        pytest.param(lambda x: op.image.resize2d(x, (6, 8)), id="resize to the same size"),
    ],
)
def test_what_changes_nothing_is_dropped(function: Function) -> None:
    before = module(IMAGE, lambda x: op.nn.relu(function(x)))
    assert_becomes(drop_identities(before), module(IMAGE, op.nn.relu))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: op.reshape(op.reshape(x, (4, 48)), (8, 24)), lambda x: op.reshape(x, (8, 24))),
        (
            lambda x: op.permute_dims(op.permute_dims(x, [0, 2, 3, 1]), [1, 3, 0, 2]),
            lambda x: op.permute_dims(x, [2, 1, 0, 3]),
        ),
    ],
    ids=["reshapes", "transposes"],
)
def test_moves_in_a_row_become_one(function: Function, expected: Function) -> None:
    before, after = module(IMAGE, function), module(IMAGE, expected)
    assert_becomes(drop_identities(before), after)
    assert_same_values(before, after)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: op.reshape(x, (1, 192)),
        lambda x: op.permute_dims(x, [0, 1, 3, 2]),
        lambda x: op.strided_slice(x, [1], [0], [3], [1]),
        lambda x: op.concat([x, x], axis=1),
    ],
    ids=["reshape", "transpose", "slice", "concat"],
)
def test_what_changes_something_stays(function: Function) -> None:
    before = module(IMAGE, function)
    assert_becomes(drop_identities(before), before)
