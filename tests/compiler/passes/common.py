"""Before and after: small Relax functions, compared by structure and by what they compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import Array, const, shape_of
from separable.compiler.graph import Graph
from tests.compiler.models import evaluate, random

Function = Callable[[relax.Expr], relax.Expr]


def module(shape: tuple[int, ...], function: Function) -> tvm.IRModule:
    """A canonical module with one float32 input ``x``; its last binding is ``y``."""
    graph = Graph([relax.Var("x", relax.TensorType(shape, "float32"))])
    graph.outputs = [graph.bind(function(graph.params[0]), "y")]
    return graph.to_module()


def weight(*shape: int, seed: int = 0) -> relax.Expr:
    return const(random(*shape, seed=seed))


def scalar(value: float) -> relax.Expr:
    return const(np.array(value, np.float32))


def assert_same_values(before: tvm.IRModule, after: tvm.IRModule) -> None:
    values: list[Array] = [3 * random(*shape_of(param), seed=7) for param in Graph.of(before).params]
    for old, new in zip(evaluate(before, *values), evaluate(after, *values), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)


def assert_becomes(rewritten: tvm.IRModule, expected: tvm.IRModule) -> None:
    tvm.ir.assert_structural_equal(rewritten, expected)
