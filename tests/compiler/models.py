"""Small ONNX models, and Relax modules run as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper, shape_inference

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import Array
from separable.compiler.graph import Graph
from separable.compiler.importer import import_model

SHARED_MODELS = Path(__file__).parents[3] / "shared" / "models"

Dims = Sequence[int | str | None]


def node(op: str, inputs: str, outputs: str = "y", name: str | None = None, **attributes: Any) -> NodeProto:
    """An ONNX node; names are separated by spaces, ``_`` leaves an optional operand out."""
    operands = ["" if operand == "_" else operand for operand in inputs.split()]
    return helper.make_node(op, operands, outputs.split(), name=op.lower() if name is None else name, **attributes)


def make_model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Dims],
    outputs: str = "y",
    weights: Mapping[str, Array] | None = None,
    opset: int = 13,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs.split()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    foreign = [helper.make_opsetid(domain, 1) for domain in sorted({node.domain for node in nodes} - {""})]
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), *foreign], ir_version=8)
    return shape_inference.infer_shapes(model)  # the checker wants shapes of outputs


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def operators(mod: tvm.IRModule) -> list[str]:
    """Names of the bindings' operators in order, without ``relax.``."""
    values = Graph.of(mod).bindings.values()
    return [value.op.name.removeprefix("relax.") if isinstance(value, relax.Call) else "item" for value in values]


def names(mod: tvm.IRModule) -> list[str]:
    return [var.name for var in Graph.of(mod).bindings]


def evaluate(mod: tvm.IRModule, *inputs: Array) -> list[Array]:
    """Run function ``main`` of a small module on this machine; slow code, quickly compiled."""
    machine = relax.VirtualMachine(tvm.compile(mod, "llvm"), tvm.cpu())
    return [output.numpy() for output in machine["main"](*map(tvm.runtime.tensor, inputs))]


def assert_matches_onnxruntime(model: onnx.ModelProto, folder: Path, *inputs: Array) -> None:
    """Import ``model`` and compare its outputs with ONNX Runtime's, before any pass."""
    imported = import_model(save(model, folder), {})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = session.run(None, {spec.name: value for spec, value in zip(imported.inputs, inputs, strict=True)})
    actual = evaluate(imported.mod, *inputs)
    assert [spec.shape for spec in imported.outputs] == [value.shape for value in expected]
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
