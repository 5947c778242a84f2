from __future__ import annotations

import numpy as np
import pytest

from separable.compiler._tvm import relax
from separable.compiler.exprs import const, constant, identifier, per_channel

SHAPE = (1, 3, 4, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1", "conv1"),
        ("/body/stage1.0/Conv", "body_stage1_0_Conv"),
        ("123", "_123"),
        ("größe:0", "gr_e_0"),
        ("", "node"),
        ("///", "node"),
    ],
)
def test_identifier(name: str, expected: str) -> None:
    assert identifier(name) == expected
    assert expected.isidentifier()


@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 3, 1, 1), (1, 1, 1, 1)])
def test_one_value_per_channel(shape: tuple[int, ...]) -> None:
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    result = per_channel(const(value), SHAPE)
    assert result is not None
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, np.broadcast_to(value, SHAPE)[0, :, 0, 0])


@pytest.mark.parametrize("shape", [(3,), (4, 1), (1, 3, 1, 3), (1, 1, 3, 1, 1)])
def test_other_constants_vary_along_other_axes(shape: tuple[int, ...]) -> None:
    assert per_channel(const(np.zeros(shape, np.float32)), SHAPE) is None


def test_a_vector_has_no_channels() -> None:
    assert per_channel(const(np.zeros((), np.float32)), (3,)) is None


def test_a_variable_is_no_constant() -> None:
    variable = relax.Var("x", relax.TensorType(SHAPE, "float32"))
    assert per_channel(variable, SHAPE) is None
    assert constant(variable) is None


@pytest.mark.parametrize(
    "value", [np.array([[1, 2], [3, 4]], np.float32).T, np.zeros((), np.float32), np.array([1, 2])]
)
def test_a_constant_keeps_shape_dtype_and_values(value: np.ndarray) -> None:
    result = constant(const(value))
    assert result is not None
    assert result.dtype == value.dtype
    np.testing.assert_array_equal(result, value, strict=True)
