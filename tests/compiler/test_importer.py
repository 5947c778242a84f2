from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from separable.compiler.errors import CompileError, UnsupportedOp
from separable.compiler.graph import Graph
from separable.compiler.importer import TensorSpec, import_model
from tests.compiler.models import SHARED_MODELS, evaluate, make_model, names, node, operators, random, save

NETWORKS = {
    "mobilenet_v1_0.75_224": [(1, 1000)],
    "mobilenet_v1_1.0_224": [(1, 1001)],
    "retinaface_mnet0.25_240x320": [(1, 3160, 4), (1, 3160, 2), (1, 3160, 10)],
    "ultraface_rfb_320": [(1, 4420, 2), (1, 4420, 4)],
    "vww_96_fp32": [(1, 2)],
}


def shared_model(name: str) -> Path:
    path = SHARED_MODELS / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    return path


def test_inputs_outputs_and_names(tmp_path: Path) -> None:
    nodes = [node("Conv", "pixels/in w b", "c", name="block.0/conv"), node("Relu", "c", "p", name="")]
    weights = {"w": random(4, 3, 3, 3), "b": random(4)}
    model = make_model(nodes, {"pixels/in": ["N", 3, 8, 8]}, outputs="p c", weights=weights)
    imported = import_model(save(model, tmp_path), {})
    assert imported.inputs == (TensorSpec("pixels/in", (1, 3, 8, 8), "float32"),)
    assert imported.outputs == (TensorSpec("p", (1, 4, 6, 6), "float32"), TensorSpec("c", (1, 4, 6, 6), "float32"))
    assert imported.notes == ("input 'pixels/in': batch dimension 'N' set to 1",)
    assert names(imported.mod) == ["block_0_conv_1", "block_0_conv", "Relu_p"]
    assert imported.op_nodes == {
        "block_0_conv_1": "block.0/conv",
        "block_0_conv": "block.0/conv",
        "Relu_p": "Relu_p",
    }
    graph = Graph.of(imported.mod)
    assert [param.name for param in graph.params] == ["pixels_in"]
    assert [output.name for output in graph.outputs] == ["Relu_p", "block_0_conv"]


def test_names_stay_unique(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a", name="n.1"), node("Neg", "a", "b", name="n/1"), node("Exp", "b", name="x")]
    assert names(import_model(save(make_model(nodes, {"x": [2]}), tmp_path), {}).mod) == ["n_1", "n_2", "x_1"]


@pytest.mark.parametrize("name", ["main", "/main"])
def test_a_node_with_the_name_of_the_function(name: str, tmp_path: Path) -> None:
    model = make_model([node("Relu", "x", "a", name=name), node("Exp", "a", name="last")], {"x": [2]})
    imported = import_model(save(model, tmp_path), {})
    assert names(imported.mod) == ["main_1", "last"]
    assert imported.op_nodes["main_1"] == name


def test_a_given_shape(tmp_path: Path) -> None:
    model = make_model([node("Relu", "x")], {"x": ["N", "C"]})
    assert import_model(save(model, tmp_path), {"x": (2, 5)}).outputs == (TensorSpec("y", (2, 5), "float32"),)


def test_weights_that_are_not_finite_are_noted(tmp_path: Path) -> None:
    model = make_model([node("Add", "x w")], {"x": [2]}, weights={"w": np.array([1, np.nan], np.float32)})
    assert import_model(save(model, tmp_path), {}).notes == ("weights 'w' contain NaN",)


def test_one_tensor_as_two_outputs(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a"), node("Identity", "a", "b")]
    imported = import_model(save(make_model(nodes, {"x": [2]}, outputs="a b"), tmp_path), {})
    first, second = evaluate(imported.mod, np.array([-1, 1], np.float32))
    assert first.tolist() == second.tolist() == [0, 1]


def test_nodes_that_no_output_needs_are_not_looked_at(tmp_path: Path) -> None:
    nodes = [node("Relu", "x"), node("NonZero", "x", "unused")]
    assert operators(import_model(save(make_model(nodes, {"x": [2]}), tmp_path), {}).mod) == ["nn.relu"]


def test_every_problem_is_listed_by_node_name(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x x", "a", name="dynamic_weights"),
        node("Mystery", "a", "b", name="mystery"),
        node("Relu", "b", "c", name="fine"),
        node("NonZero", "c", "d", name="data_dependent"),
        node("MaxPool", "x", "e", name="one_dimensional", kernel_shape=[2, 2], auto_pad="NOPE"),
        node("Concat", "c d e", "f", name="also_fine", axis=1),
    ]
    nodes.append(node("Foreign", "f", name="", domain="com.example"))
    model = make_model(nodes, {"x": [1, 1, 4, 4]})
    with pytest.raises(UnsupportedOp) as error:
        import_model(save(model, tmp_path), {})
    assert error.value.problems == (
        "'dynamic_weights' (Conv): weights must be constant, but are computed from the input",
        "'mystery' (Mystery): this operator is not supported",
        "'data_dependent' (NonZero): the size of its result depends on data: cut it off and run it on the host",
        "'one_dimensional' (MaxPool): auto_pad 'NOPE' is no value that ONNX defines",
        "Foreign with output 'y': this operator is not supported",
    )


def test_attributes_that_contradict_the_operands(tmp_path: Path) -> None:
    model = make_model([node("Conv", "x w", name="c", group=3)], {"x": [1, 4, 4, 4]}, weights={"w": random(4, 2, 1, 1)})
    with pytest.raises(UnsupportedOp, match=r"'c' \(Conv\): its attributes contradict"):
        import_model(save(model, tmp_path), {})


def test_random_damage_never_ends_in_another_error(tmp_path: Path) -> None:
    model = make_model([node("Conv", "x w", pads=[1, 1, 1, 1])], {"x": [1, 2, 4, 4]}, weights={"w": random(4, 2, 3, 3)})
    path, generator = save(model, tmp_path), np.random.default_rng(0)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(300):
        damaged = data.copy()
        damaged[generator.integers(len(data), size=2)] = generator.integers(256, size=2)
        path.write_bytes(damaged.tobytes())
        with suppress(CompileError):
            import_model(path, {})


def test_control_flow_is_refused(tmp_path: Path) -> None:
    branch = make_model([node("Relu", "x", "r")], {}, outputs="r").graph
    model = make_model([node("If", "c", name="choose", then_branch=branch, else_branch=branch)], {"x": [1]})
    model.graph.initializer.append(TensorProto(name="c", data_type=TensorProto.BOOL, raw_data=b"\1"))
    with pytest.raises(UnsupportedOp, match=r"'choose' \(If\): control flow"):
        import_model(save(model, tmp_path), {})


def test_other_types_than_float32_are_refused(tmp_path: Path) -> None:
    model = make_model([node("Cast", "x", "t", to=TensorProto.FLOAT), node("Relu", "t")], {"x": [2]}, dtype=2)
    with pytest.raises(UnsupportedOp, match="input 'x' is uint8: only float32"):
        import_model(save(model, tmp_path), {})
    model = make_model([node("ArgMax", "x", "t", name="best"), node("Cast", "t", to=TensorProto.FLOAT)], {"x": [2]})
    with pytest.raises(UnsupportedOp, match="'best'"):
        import_model(save(model, tmp_path), {})


@pytest.mark.parametrize("op", ["ConstantOfShape", "Range", "Tile"])
def test_a_huge_constant_is_refused(op: str, tmp_path: Path) -> None:
    weights = {"zero": np.array(0), "one": np.array(1), "end": np.array(1 << 40), "shape": np.array([1 << 30, 1 << 30])}
    weights |= {"some": np.arange(4), "times": np.array([1 << 40])}
    operands = {"ConstantOfShape": "shape", "Range": "zero end one", "Tile": "some times"}[op]
    nodes = [node(op, operands, "c", name="huge"), node("Cast", "c", "f", to=1), node("Add", "x f")]
    with pytest.raises(UnsupportedOp, match=f"'huge' \\({op}\\): .* no large constant"):
        import_model(save(make_model(nodes, {"x": [1]}, weights=weights), tmp_path), {})


def test_a_constant_output_is_refused(tmp_path: Path) -> None:
    model = make_model([node("Identity", "w")], {"x": [2]}, weights={"w": random(2)})
    with pytest.raises(UnsupportedOp, match="output 'y' is a constant"):
        import_model(save(model, tmp_path), {})


def test_an_input_may_be_an_output(tmp_path: Path) -> None:
    model = make_model([node("Identity", "x")], {"x": [2]})
    assert [spec.name for spec in import_model(save(model, tmp_path), {}).outputs] == ["y"]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    imported = import_model(shared_model(name), {})
    assert [spec.shape for spec in imported.outputs] == NETWORKS[name]
    assert set(imported.op_nodes) >= set(names(imported.mod))
    assert not imported.notes


def test_a_quantised_network_is_refused_node_by_node() -> None:
    with pytest.raises(UnsupportedOp) as error:
        import_model(shared_model("mobilenet_v1_1.0_224_qdq"), {})
    assert len(error.value.problems) == 30 + 86
    assert all("float32 model that this one was made from" in problem for problem in error.value.problems)
