from __future__ import annotations

import pytest

from separable.compiler._tvm import relax
from separable.compiler.passes.fold_padding import fold_padding
from tests.compiler.passes.common import Function, assert_becomes, assert_same_values, module, weight

op = relax.op
IMAGE = (1, 4, 7, 6)


def test_zeros_around_the_image_become_padding() -> None:
    kernel = weight(4, 1, 3, 3)
    before = module(
        IMAGE,
        lambda x: op.nn.conv2d(
            op.nn.pad(x, [0, 0, 0, 0, 0, 1, 2, 3]), kernel, strides=[2, 2], padding=[1, 0, 0, 1], groups=4
        ),
    )
    expected = module(IMAGE, lambda x: op.nn.conv2d(x, kernel, strides=[2, 2], padding=[1, 2, 1, 4], groups=4))
    assert_becomes(fold_padding(before), expected)
    assert_same_values(before, expected)


@pytest.mark.parametrize(
    ("pad", "channels"),
    [
        pytest.param(lambda x: op.nn.pad(x, [0, 0, 0, 0, 1, 1, 1, 1], pad_value=2.0), 4, id="not zero"),
        pytest.param(lambda x: op.nn.pad(x, [0, 0, 1, 0, 0, 0, 0, 0]), 5, id="channels"),
        pytest.param(lambda x: op.nn.pad(x, [0, 0, 0, 0, 1, 1, 1, 1], pad_mode="reflect"), 4, id="reflected"),
    ],
)
def test_other_padding_stays(pad: Function, channels: int) -> None:
    before = module(IMAGE, lambda x: op.nn.conv2d(pad(x), weight(2, channels, 1, 1)))
    assert_becomes(fold_padding(before), before)
