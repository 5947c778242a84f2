from __future__ import annotations

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import is_op, shape_of
from separable.compiler.graph import Graph, rewrite
from tests.compiler.models import names, operators


def tensor(name: str, *shape: int) -> relax.Var:
    return relax.Var(name, relax.TensorType(shape, "float32"))


def chain() -> tvm.IRModule:
    graph = Graph([tensor("x", 2, 3)])
    value = graph.params[0]
    for name, function in (("a", relax.op.exp), ("b", relax.op.negative), ("c", relax.op.abs)):
        value = graph.bind(function(value), name)
    graph.outputs = [value]
    return graph.to_module()


def test_nested_operations_are_numbered_before_the_last() -> None:
    graph = Graph([tensor("x", 2)])
    x = graph.params[0]
    graph.outputs = [graph.bind(relax.op.abs(relax.op.exp(relax.op.add(x, relax.op.negative(x)))), "n")]
    mod = graph.to_module()
    assert names(mod) == ["n_1", "n_2", "n_3", "n"]
    assert operators(mod) == ["negative", "add", "exp", "abs"]


def test_an_operation_used_twice_is_bound_once() -> None:
    graph = Graph([tensor("x", 2)])
    shared = relax.op.exp(graph.params[0])
    graph.outputs = [graph.bind(relax.op.add(shared, relax.op.negative(shared)), "n")]
    assert operators(graph.to_module()) == ["exp", "negative", "add"]


def test_a_module_is_read_back_as_it_was_written() -> None:
    mod = chain()
    tvm.ir.assert_structural_equal(Graph.of(mod).to_module(), mod)
    assert shape_of(Graph.of(mod).outputs[0]) == (2, 3)


def test_operations_that_no_output_needs_are_dropped() -> None:
    graph = Graph.of(chain())
    graph.outputs = [next(iter(graph.bindings))]
    assert names(graph.to_module()) == ["a"]


def test_rewriting_keeps_names() -> None:
    def without_negative(value: relax.Expr, graph: Graph) -> relax.Expr:
        return value.args[0] if is_op(value, "negative") else value

    mod = rewrite(chain(), without_negative)
    assert names(mod) == ["a", "c"]
    assert operators(mod) == ["exp", "abs"]


def test_an_output_stays_the_result_of_an_operation() -> None:
    mod = rewrite(chain(), lambda value, graph: value.args[0])
    assert operators(mod) == ["abs"]


def test_new_names_do_not_take_old_ones() -> None:
    graph = Graph([tensor("x", 2)])
    first = graph.bind(relax.op.exp(graph.params[0]), "a")
    graph.outputs = [graph.bind(relax.op.negative(first), "a_1")]

    def twice(value: relax.Expr, graph: Graph) -> relax.Expr:
        return relax.op.exp(relax.op.exp(value.args[0])) if is_op(value, "exp") else value

    assert names(rewrite(graph.to_module(), twice)) == ["a_2", "a", "a_1"]
