"""The passes together, on whole networks."""

from __future__ import annotations

import pytest

from separable.compiler._tvm import tvm
from separable.compiler.exprs import constant, is_op, operands
from separable.compiler.graph import Graph
from separable.compiler.importer import import_model
from separable.compiler.passes.drop_identities import drop_identities
from separable.compiler.passes.fold_batch_norm import fold_batch_norm
from separable.compiler.passes.fold_constants import fold_constants
from separable.compiler.passes.fold_input_scale import fold_input_scale
from separable.compiler.passes.fold_padding import fold_padding
from separable.compiler.passes.unify_hard_swish import unify_hard_swish
from tests.compiler.models import operators
from tests.compiler.test_importer import NETWORKS, shared_model


def canonical(mod: tvm.IRModule) -> tvm.IRModule:
    for step in (
        drop_identities,
        fold_padding,
        fold_constants,
        fold_batch_norm,
        fold_input_scale,
        fold_constants,
        unify_hard_swish,
        drop_identities,
    ):
        mod = step(mod)
    return mod


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_left_that_needs_no_input(name: str) -> None:
    imported = import_model(shared_model(name), {})
    mod = canonical(imported.mod)
    values = Graph.of(mod).bindings.values()
    assert not {"nn.batch_norm", "nn.pad", "item"} & set(operators(mod))
    assert all(any(constant(operand) is None for operand in operands(value)) for value in values)
    assert {var.name for var in Graph.of(mod).bindings} <= set(imported.op_nodes)


@pytest.mark.parametrize("name", ["mobilenet_v1_0.75_224", "mobilenet_v1_1.0_224"])
def test_mobilenet_is_convolution_bias_activation(name: str) -> None:
    mod = canonical(import_model(shared_model(name), {}).mod)
    assert operators(mod) == ["nn.conv2d", "add", "clip"] * 27 + ["mean", "nn.conv2d", "add", "reshape"]
    convolutions = [value for value in Graph.of(mod).bindings.values() if is_op(value, "nn.conv2d")]
    depthwise = [value for value in convolutions if value.attrs.groups > 1]
    assert len(depthwise) == 13
