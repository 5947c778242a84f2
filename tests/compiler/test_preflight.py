from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import external_data_helper

from separable.compiler.errors import DynamicShape, InvalidModel, InvalidShape, MissingExternalData
from separable.compiler.fold_shapes import TensorType
from separable.compiler.preflight import load_model, not_finite, read_weights, static_inputs
from tests.compiler.models import Dims, make_model, node, random, save


def convolution(shape: Dims = (1, 3, 8, 8)) -> onnx.ModelProto:
    return make_model([node("Conv", "x w", name="conv")], {"x": shape}, weights={"w": random(4, 3, 3, 3)})


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: bytes(range(256)) * 8,
        lambda data: b"\x00" * 64,
        lambda data: b"<html>not found</html>",
    ],
    ids=["empty", "half", "one byte short", "every byte", "zeros", "text"],
)
def test_a_file_that_is_no_model(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = save(convolution(), tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidModel, match=r"model\.onnx"):
        load_model(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="cannot be read: No such file"):
        load_model(tmp_path / "absent.onnx")


def test_a_graph_that_breaks_the_specification(tmp_path: Path) -> None:
    model = make_model([node("Relu", "nowhere")], {"x": [1]})
    with pytest.raises(InvalidModel, match="breaks the ONNX specification"):
        load_model(save(model, tmp_path))


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    path = save(convolution(), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"conv", b"c\xffnv"))
    with pytest.raises(InvalidModel, match="UTF-8"):
        load_model(path)


def test_operator_sets_before_numpy_broadcasting(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="export it again with 7 or later"):
        load_model(save(make_model([node("Relu", "x")], {"x": [1]}, opset=6), tmp_path))


def test_operator_sets_that_nobody_knows_yet(tmp_path: Path) -> None:
    model = make_model([node("Relu", "x")], {"x": [1]})
    model.opset_import[0].version = 9999
    with pytest.raises(InvalidModel, match=r"operator set 9999, but onnx .* knows them up to"):
        load_model(save(model, tmp_path))


def test_an_output_that_is_listed_twice(tmp_path: Path) -> None:
    model = make_model([node("Relu", "x")], {"x": [1]})
    model.graph.output.append(model.graph.output[0])
    with pytest.raises(InvalidModel, match="output 'y' twice"):
        load_model(save(model, tmp_path))


def test_weights_whose_data_is_too_short() -> None:
    model = convolution()
    model.graph.initializer[0].dims[0] = 5
    with pytest.raises(InvalidModel, match=r"'w' of shape \[5, 3, 3, 3\]"):
        read_weights(model)


def save_external(folder: Path, location: str = "weights.bin") -> Path:
    model = convolution()
    weights = model.graph.initializer[0]
    folder.joinpath("weights.bin").write_bytes(weights.raw_data)
    external_data_helper.set_external_data(weights, location, offset=0, length=len(weights.raw_data))
    weights.ClearField("raw_data")
    return save(model, folder)


def test_external_data_is_read(tmp_path: Path) -> None:
    weights = read_weights(load_model(save_external(tmp_path)))
    np.testing.assert_array_equal(weights["w"], random(4, 3, 3, 3))


def test_external_data_that_is_missing(tmp_path: Path) -> None:
    path = save_external(tmp_path)
    tmp_path.joinpath("weights.bin").unlink()
    with pytest.raises(MissingExternalData, match=r"'w' needs the external data file 'weights\.bin'"):
        load_model(path)


def test_external_data_that_is_too_short(tmp_path: Path) -> None:
    path = save_external(tmp_path)
    tmp_path.joinpath("weights.bin").write_bytes(b"short")
    with pytest.raises(MissingExternalData, match="has only 5"):
        load_model(path)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "link.bin", ""])
def test_external_data_outside_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(1024))
    folder.joinpath("link.bin").symlink_to(secret)
    with pytest.raises(MissingExternalData, match="outside the model's folder"):
        load_model(save_external(folder, location))


def test_a_symbolic_batch_becomes_one() -> None:
    types, notes = static_inputs(convolution(["N", 3, 8, 8]), {})
    assert types == {"x": TensorType((1, 3, 8, 8), "float32")}
    assert notes == ["input 'x': batch dimension 'N' set to 1"]


def test_other_symbols_need_a_shape() -> None:
    with pytest.raises(DynamicShape, match=r"2 \('h'\), 3 \('w'\) is symbolic.*--shape x=1,3,h,w"):
        static_inputs(convolution(["N", 3, "h", "w"]), {})


def test_every_dynamic_input_is_listed() -> None:
    model = make_model([node("Add", "a b")], {"a": [1, "n"], "b": [1, None]})
    with pytest.raises(DynamicShape) as error:
        static_inputs(model, {})
    assert "'a'" in str(error.value)
    assert "'b'" in str(error.value)


def test_a_given_shape_is_taken_and_gives_its_symbols_to_other_inputs() -> None:
    model = make_model([node("Add", "a b")], {"a": ["N", 3, "h"], "b": ["N", 1, "h"]})
    types, notes = static_inputs(model, {"a": (2, 3, 5)})
    assert types == {"a": TensorType((2, 3, 5), "float32"), "b": TensorType((2, 1, 5), "float32")}
    assert not notes


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"y": (1,)}, "no input 'y'; its inputs are 'x'"),
        ({"w": (4, 3, 3, 3)}, "no input 'w'"),
        ({"x": (1, 3, 8)}, "4 dimensions, not 3"),
        ({"x": (1, 4, 8, 8)}, "dimension 1 is fixed = 3, not 4"),
        ({"x": (0, 3, 8, 8)}, "at least 1"),
    ],
)
def test_a_wrong_shape(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(InvalidShape, match=message):
        static_inputs(convolution(["N", 3, "h", 8]), shapes)


def test_initializers_among_the_inputs_are_weights() -> None:
    model = convolution()
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [4, 3, 3, 3]))
    assert list(static_inputs(model, {})[0]) == ["x"]


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_weights_that_are_not_finite(value: float, name: str) -> None:
    weights = {"good": random(3), "bad": np.array([1, value], np.float32), "count": np.array([1])}
    assert not_finite(weights) == [f"weights 'bad' contain {name}"]
