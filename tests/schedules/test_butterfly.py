"""Rows of transforms as expressions: what they compute, and that they share their parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
import tvm_ffi
from tvm import sym, tirx

from separable.schedules.butterfly import (
    Row,
    choose,
    input_operations,
    input_row,
    output_operations,
    output_row,
)
from separable.schedules.toom_cook import POINTS, transforms

RowFunction = Callable[[Row, Sequence[tirx.Expr]], tirx.Expr]


def evaluate(expression: tirx.Expr, values: dict[str, float]) -> float:
    """The value of a sum of products of variables."""
    match expression:
        case tirx.Var():
            return values[expression.name]
        case tirx.FloatImm():
            return float(expression.value)
        case tirx.Add():
            return evaluate(expression.a, values) + evaluate(expression.b, values)
        case tirx.Sub():
            return evaluate(expression.a, values) - evaluate(expression.b, values)
        case tirx.Mul():
            return evaluate(expression.a, values) * evaluate(expression.b, values)
    raise AssertionError(f"unexpected {expression}")


def variables(count: int) -> list[tirx.Expr]:
    return [tirx.Var(f"t{index}", "float32") for index in range(count)]


@pytest.mark.parametrize("outputs", POINTS)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_rows_are_those_of_the_matrix(side: str, outputs: int) -> None:
    matrix = getattr(transforms(outputs, POINTS[outputs]), side)
    function: RowFunction = input_row if side == "inputs" else output_row
    terms = variables(len(matrix[0]))
    values = np.random.default_rng(0).standard_normal(len(terms))
    named = {f"t{index}": float(value) for index, value in enumerate(values)}
    for row in matrix:
        expected = float(np.dot([float(value) for value in row], values))
        assert evaluate(function(row, terms), named) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("row", [(0, -1, 0, 2), (0, 2, 0, 0), (1, -1, 1, 0), (-1, 0, 3, 0)])
def test_halves_may_be_empty_or_negative(row: tuple[int, ...]) -> None:
    terms = variables(4)
    expression = input_row(tuple(map(Fraction, row)), terms)
    values = {"t0": 1.0, "t1": 10.0, "t2": 100.0, "t3": 1000.0}
    assert evaluate(expression, values) == sum(a * 10.0**i for i, a in enumerate(row))


def distinct_operations(expressions: Sequence[tirx.Expr]) -> int:
    """Operations if equal ones are computed once and a product is fused with the sum that takes it."""
    sums: set[str] = set()
    alone: set[str] = set()

    def visit(node: tirx.Expr) -> None:
        if isinstance(node, tirx.Add | tirx.Sub):
            sums.add(str(node))
            if isinstance(node.a, tirx.Mul) and isinstance(node.b, tirx.Mul):
                alone.add(str(node.a))

    for expression in expressions:
        tvm_ffi.structural_walk(expression, [(tirx.Add, visit), (tirx.Sub, visit)])
        if isinstance(expression, tirx.Mul):
            alone.add(str(expression))
    return len(sums) + len(alone)


@pytest.mark.parametrize("outputs", POINTS)
def test_operations_are_counted(outputs: int) -> None:
    matrices = transforms(outputs, POINTS[outputs])
    terms = variables(outputs + 2)
    forth = [input_row(row, terms) for row in matrices.inputs]
    assert input_operations(matrices.inputs) == distinct_operations(forth)
    back = [output_row(row, terms) for row in matrices.outputs]
    assert output_operations(matrices.outputs) == distinct_operations(back)


def test_a_constant_choice_leaves_one_value() -> None:
    index = tirx.Var("index", "int32")
    values = variables(3)
    expression = choose(index, values)
    for position, value in enumerate(values):
        chosen = tvm_ffi.structural_map(
            expression, [(tirx.Var, lambda v, p=position: tirx.const(p, "int32") if v.same_as(index) else v)]
        )
        assert sym.Analyzer().simplify(chosen).same_as(value)
