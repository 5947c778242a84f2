from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tvm import s_tir, te

from separable.schedules import math as schedule_math
from separable.schedules.kernel import Kernel, same_index
from separable.targets.table import find_target
from tests.schedules.harness import CompiledKernel

EPSILON = float(np.finfo(np.float32).eps)


def evaluate(function: Callable[..., Any], values: np.ndarray, target: str) -> np.ndarray:
    """``function`` of float32 values, eight in a vector."""
    x = te.placeholder((len(values) // 8, 8), name="X")
    y = te.compute(x.shape, lambda i, c: function(x[i, c].asobject()), name="Y")
    sch = s_tir.Schedule(te.create_prim_func([x, y]))
    row, lane = sch.get_loops(sch.get_sblock("Y"))
    sch.parallel(row)
    sch.vectorize(lane)
    kernel = Kernel(sch.mod["main"], (len(values) // 8, 8), same_index, None)
    compiled = CompiledKernel(kernel, find_target(target))
    return compiled([values.reshape(-1, 8)]).reshape(-1).astype(np.float64)


def test_exp_is_accurate_where_the_result_is_a_normal_number(target: str) -> None:
    x = np.linspace(-86.9, 88.7, 80_000, dtype=np.float32)
    expected = np.exp(x.astype(np.float64))
    assert np.abs(evaluate(schedule_math.exp, x, target) / expected - 1).max() < 2e-7


def test_exp_beyond_the_range_of_floats(target: str) -> None:
    x = np.array([-np.inf, -1e30, -100, -0.0, 0.0, 89, 1e30, np.inf, np.nan] + 7 * [-87.2], np.float32)
    expected = [0, 0, 0, 1, 1, np.inf, np.inf, np.inf, np.nan]
    np.testing.assert_array_equal(evaluate(schedule_math.exp, x, target)[: len(expected)], expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [(schedule_math.sigmoid, lambda x: 1 / (1 + np.exp(-x))), (schedule_math.tanh, np.tanh)],
    ids=["sigmoid", "tanh"],
)
def test_sigmoid_and_tanh(function: Callable[..., Any], expected: Callable[..., Any], target: str) -> None:
    around_zero = np.geomspace(1e-30, 1, 20_000, dtype=np.float32)
    far = np.linspace(-90, 90, 40_000, dtype=np.float32)
    extremes = np.array([-np.inf, -3e38, -1e4, -0.0, 0.0, 1e4, 3e38, np.inf], np.float32)
    x = np.concatenate([-around_zero, around_zero, far, extremes])
    actual = evaluate(function, x, target)
    with np.errstate(over="ignore"):
        exact = expected(x.astype(np.float64))
    assert (np.abs(actual - exact) <= 8 * EPSILON * np.abs(exact) + 1e-37).all()


def test_hard_sigmoid(target: str) -> None:
    x = np.linspace(-10, 10, 800, dtype=np.float32)
    actual = evaluate(lambda value: schedule_math.hard_sigmoid(value, 0.2, 0.5), x, target)
    assert np.abs(actual - np.clip(0.2 * x.astype(np.float64) + 0.5, 0, 1)).max() <= EPSILON
