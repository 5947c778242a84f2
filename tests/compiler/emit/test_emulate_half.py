"""Arithmetic of float16 without instructions for it: one rounding for each operation."""

from __future__ import annotations

import numpy as np
import pytest
from tvm import tirx

from separable.compiler.emit.emulate_half import emulate_half


def statement(dtype: str) -> tirx.PrimFunc:
    """``Y[0] = A[0] + B[0] * C[0]``."""
    a, b, c, y = (tirx.decl_buffer((8,), dtype, name) for name in "ABCY")
    value = a[0] + b[0] * c[0]
    return tirx.PrimFunc([a, b, c, y], tirx.BufferStore(y, value, [0]))


def test_a_multiply_add_rounds_once() -> None:
    text = str(emulate_half(statement("float16")).script())
    assert text.count('T.Cast("float16"') == 1
    assert 'T.Cast("float16", T.Cast("float32", A[0]) + T.Cast("float32", B[0]) * T.Cast("float32", C[0]))' in text


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_other_types_stay(dtype: str) -> None:
    func = statement(dtype)
    assert emulate_half(func).script() == func.script()


def test_every_rounding_is_numpys() -> None:
    """What the kernels' tests take for the specification: float32 in between is exact enough for one operation."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(10000).astype(np.float16) for _ in range(2))
    for ufunc in (np.add, np.subtract, np.multiply, np.divide):
        exact = ufunc(a.astype(np.float64), b.astype(np.float64)).astype(np.float16)
        np.testing.assert_array_equal(ufunc(a.astype(np.float32), b.astype(np.float32)).astype(np.float16), exact)
