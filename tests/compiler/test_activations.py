"""Activations, also those that a model spells out in several operators."""

from __future__ import annotations

import numpy as np
import pytest

from separable.compiler._tvm import relax
from separable.compiler.activations import match_activation
from separable.compiler.exprs import const
from separable.compiler.graph import Graph

op = relax.op


def scalar(value: float) -> relax.Expr:
    return const(np.array(value, np.float32))


def graph_of_x() -> tuple[Graph, relax.Expr]:
    x = relax.Var("x", relax.TensorType((1, 4), "float32"))
    return Graph([x]), x


def hard_sigmoid(x: relax.Expr, slope: float = 0.2, offset: float = 0.5) -> relax.Expr:
    return op.clip(op.add(op.multiply(x, scalar(slope)), scalar(offset)), 0.0, 1.0)


def match(graph: Graph, value: relax.Expr) -> tuple[relax.Expr, str] | None:
    matched = match_activation(graph.definition(graph.bind(value, "y")), graph)
    return (matched[0], str(matched[1])) if matched is not None else None


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "exp", "sqrt", "abs", "negative"])
def test_one_operator(name: str) -> None:
    graph, x = graph_of_x()
    operator = op.nn.relu if name == "relu" else getattr(op, name)
    assert match(graph, operator(x)) == (x, name)


def test_with_parameters() -> None:
    graph, x = graph_of_x()
    assert match(graph, op.nn.leakyrelu(x, 0.25)) == (x, "leaky_relu(0.25)")
    assert match(graph, op.clip(x, 0.0, 6.0)) == (x, "clip(0, 6)")
    assert match(graph, op.clip(x, 0.0, 1.0)) == (x, "clip(0, 1)")


def test_hard_sigmoid() -> None:
    graph, x = graph_of_x()
    assert match(graph, hard_sigmoid(x)) == (x, "hard_sigmoid(0.2, 0.5)")


def test_a_clip_of_other_bounds_is_no_hard_sigmoid() -> None:
    graph, x = graph_of_x()
    scaled = graph.bind(op.add(op.multiply(x, scalar(0.2)), scalar(0.5)), "scaled")
    assert match(graph, op.clip(scaled, 0.0, 2.0)) == (scaled, "clip(0, 2)")


def test_a_slope_for_each_channel_is_no_hard_sigmoid() -> None:
    graph, x = graph_of_x()
    slopes = const(np.arange(4, dtype=np.float32))
    scaled = graph.bind(op.add(op.multiply(x, slopes), scalar(0.5)), "scaled")
    assert match(graph, op.clip(scaled, 0.0, 1.0)) == (scaled, "clip(0, 1)")


@pytest.mark.parametrize("swapped", [False, True])
def test_gates(swapped: bool) -> None:
    graph, x = graph_of_x()
    for gate, name in ((op.sigmoid(x), "silu"), (hard_sigmoid(x, 1 / 6), "hard_swish")):
        bound = graph.bind(gate, "gate")
        assert match(graph, op.multiply(*((bound, x) if swapped else (x, bound)))) == (x, name)


def test_a_gate_of_another_value_is_a_product() -> None:
    graph, x = graph_of_x()
    other = graph.bind(op.nn.relu(x), "other")
    gate = graph.bind(op.sigmoid(other), "gate")
    assert match(graph, op.multiply(x, gate)) is None


def test_another_slope_is_no_hard_swish() -> None:
    graph, x = graph_of_x()
    assert match(graph, op.multiply(x, graph.bind(hard_sigmoid(x, 0.2), "gate"))) is None


def test_other_operators() -> None:
    graph, x = graph_of_x()
    assert match(graph, op.add(x, x)) is None
    assert match_activation(x, graph) is None
