"""ONNX's backend interface: models in memory, operands as inputs, and what does not fit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import separable.backend
from separable.compiler.backend import SeparableBackend, prepare, run_model, run_node
from separable.compiler.errors import CompileError, InputError, UnsupportedOp

from .models import make_model, node, random

RELU = make_model([node("Relu", "x")], {"x": [2, 5]})
CLIP = make_model([node("Clip", "x low high")], {"x": [7], "low": [], "high": []})


def convolution() -> onnx.ModelProto:
    nodes = [node("Conv", "x w", "a", "conv", pads=[1, 1, 1, 1]), node("GlobalAveragePool", "a", "b")]
    return make_model(nodes, {"x": [1, 3, 5, 7]}, outputs="a b", weights={"w": random(9, 3, 3, 3, seed=1)})


def test_the_short_name() -> None:
    assert separable.backend.prepare is not None
    assert separable.backend.SeparableBackend is SeparableBackend


def test_outputs_are_in_order_and_have_names() -> None:
    model, x = convolution(), random(1, 3, 5, 7)
    outputs = run_model(model, [x])
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    for ours, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert outputs._fields == ("a", "b")  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"x": x}, lambda x: [x[::-1][::-1]]])
def test_ways_to_give_inputs(wrap: object) -> None:
    x = random(2, 5)
    (y,) = prepare(RELU).run(wrap(x))  # type: ignore[operator]
    np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_operands_that_must_be_constant_may_be_inputs() -> None:
    backend, x = prepare(CLIP), 4 * random(7)
    for low, high in ((-1.0, 1.0), (-1.0, 1.0), (-0.5, 3.0)):
        (y,) = backend.run([x, np.float32(low), np.float32(high)])
        np.testing.assert_array_equal(y, np.clip(x, np.float32(low), np.float32(high)))


def test_data_changes_without_compiling_again(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, bounds = prepare(CLIP), [np.float32(-1), np.float32(1)]
    backend.run([random(7), *bounds])
    monkeypatch.setattr("separable.compiler.backend.compile_model", None)
    (y,) = backend.run([random(7, seed=1), *bounds])
    np.testing.assert_array_equal(y, np.clip(random(7, seed=1), -1, 1))


def test_symbolic_dimensions_come_from_the_arrays() -> None:
    backend = prepare(make_model([node("Add", "x z")], {"x": [2, "n"], "z": [2, "n"]}))
    for size in (3, 5):
        x, z = random(2, size), random(2, size, seed=1)
        np.testing.assert_array_equal(backend.run([x, z])[0], x + z)


@pytest.mark.parametrize("operands", ["x x", "x z"])
def test_one_node(operands: str) -> None:
    x = random(3, 1)
    z = x if operands == "x x" else random(1, 5, seed=1)
    (y,) = run_node(node("Add", operands), [x, z], opset_version=13)
    np.testing.assert_array_equal(y, x + z)


def test_one_array_for_one_operand() -> None:
    x = random(1, 5)
    (y,) = run_node(node("Relu", "x"), x)
    np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    backend = prepare(RELU)
    assert list(tmp_path.iterdir()) == []
    assert backend.run(random(2, 5))[0].shape == (2, 5)


@pytest.mark.parametrize(("device", "supported"), [("CPU", True), ("CPU:0", True), ("CUDA", False), ("CPX", False)])
def test_devices(device: str, supported: bool) -> None:
    assert SeparableBackend.supports_device(device) is supported


def test_compatible_models() -> None:
    assert SeparableBackend.is_compatible(RELU)
    assert not SeparableBackend.is_compatible(RELU, "CUDA")
    assert not SeparableBackend.is_compatible(make_model([node("Det", "x")], {"x": [3, 3]}))


def test_an_unsupported_operator_is_refused_at_once() -> None:
    with pytest.raises(UnsupportedOp, match="'det' \\(Det\\)"):
        prepare(make_model([node("Det", "x")], {"x": [3, 3]}))


def test_an_unsupported_operator_with_operands_is_refused_by_the_first_run() -> None:
    model = make_model([node("Mod", "x z", fmod=1)], {"x": [3], "z": [3]})
    with pytest.raises(UnsupportedOp, match="Mod"):
        prepare(model).run([random(3), random(3)])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "0 inputs are given, the model has 1"),
        (None, "the inputs are a NoneType, expected arrays in a list or by name"),
        ({"z": random(2, 5)}, "input 'x' is missing"),
        ([random(5, 2)], "x"),
        ([random(2, 5).astype(np.float64)], "float64"),
    ],
)
def test_inputs_that_do_not_fit(inputs: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_model(RELU, inputs)


def test_options_that_are_none() -> None:
    with pytest.raises(InputError, match="'CUDA' is not supported"):
        prepare(RELU, "CUDA")
    with pytest.raises(InputError, match="no option 'speed'"):
        prepare(RELU, speed=2)
    with pytest.raises(InputError, match="no option 'speed'"):
        prepare(RELU).run(random(2, 5), speed=2)
    with pytest.raises(CompileError, match=r"^threads is -1, expected 0 to"):
        prepare(RELU, threads=-1)
    with pytest.raises(InputError, match="1 inputs are given, the node has 2"):
        run_node(node("Add", "x z"), [random(2)])
    with pytest.raises(InputError, match="the model is a str, expected a ModelProto"):
        prepare("mobilenet.onnx")  # type: ignore[arg-type]
