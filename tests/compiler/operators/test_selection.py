from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.compiler.errors import UnsupportedOp
from separable.compiler.importer import import_model
from tests.compiler.models import assert_matches_onnxruntime, make_model, node, operators, random, save


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [np.array([[0, -1], [1, -2]]), np.array(1)])
def test_gather(axis: int, indices: np.ndarray, tmp_path: Path) -> None:
    model = make_model([node("Gather", "x i", axis=axis)], {"x": [2, 3, 4]}, weights={"i": indices})
    assert_matches_onnxruntime(model, tmp_path, random(2, 3, 4))


def test_gather_from_a_table(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "i", to=7), node("Gather", "t i")]
    model = make_model(nodes, {"x": [2, 3]}, weights={"t": random(5, 4)})
    assert_matches_onnxruntime(model, tmp_path, np.array([[0, 4, -1], [-5, 2, 1]], np.float32))


def test_an_index_beyond_the_tensor(tmp_path: Path) -> None:
    model = make_model([node("Gather", "x i", axis=1)], {"x": [2, 3]}, weights={"i": np.array([3])})
    with pytest.raises(UnsupportedOp, match="beyond the 3 elements of axis 1"):
        import_model(save(model, tmp_path), {})


def test_both_results_of_top_k_share_the_search(tmp_path: Path) -> None:
    nodes = [node("TopK", "x k", "v i"), node("Cast", "i", "f", to=1)]
    model = make_model(nodes, {"x": [3, 9]}, "v f", {"k": np.array([2])})
    assert operators(import_model(save(model, tmp_path), {}).mod) == [
        "separable.top_k",
        "gather_elements",
        "astype",
    ]


def test_integers_are_divided_exactly(tmp_path: Path) -> None:
    nodes = [
        node("Cast", "x", "i", "to_int", to=7),
        node("Div", "i n", "q"),
        node("Mod", "i n", "m"),
        node("Add", "q m", "s"),
        node("Cast", "s", "y", "to_float", to=1),
    ]
    model = make_model(nodes, {"x": [9]}, weights={"n": np.array([3])})
    assert_matches_onnxruntime(model, tmp_path, np.arange(-4, 5, dtype=np.float32))


@pytest.mark.parametrize("divisor", [0, -1])
@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_division_that_might_stop_the_process_is_refused(op: str, divisor: int, tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "i", "in", to=7), node(op, "i n", "q"), node("Cast", "q", "y", "out", to=1)]
    model = make_model(nodes, {"x": [2]}, weights={"n": np.array([divisor])})
    with pytest.raises(UnsupportedOp, match="by positive numbers only"):
        import_model(save(model, tmp_path), {})


def test_what_computes_in_floats_only_is_refused_on_integers(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "i", "in", to=7), node("Relu", "i", "r"), node("Cast", "r", "y", "out", to=1)]
    with pytest.raises(UnsupportedOp, match=r"'relu' \(Relu\): it computes in int64"):
        import_model(save(make_model(nodes, {"x": [2]}, opset=14), tmp_path), {})


REGIONS = np.array(
    [
        [0, 0, 0, 0],
        [199, 199, 200, 200],
        [0, 0, 200, 200],
        [-50, -60, -1, -2],
        [190, 150, 400, 500],
        [50, 60, 20, 10],
        [13, 17, 90, 41],
    ],
    np.float32,
)


@pytest.mark.parametrize("opset", [13, 16])
@pytest.mark.parametrize(("size", "samples", "scale"), [((1, 1), 2, 1 / 16), ((7, 5), 2, 0.3), ((2, 3), 3, 1.0)])
def test_roi_align(size: tuple[int, int], samples: int, scale: float, opset: int, tmp_path: Path) -> None:
    """Regions that are empty, turned round, or beyond the picture, and pictures of which one has most of them."""
    attributes: dict[str, Any] = {"output_height": size[0], "output_width": size[1], "sampling_ratio": samples}
    nodes = [node("RoiAlign", "x b i", spatial_scale=scale, **attributes)]
    pictures = np.array([0, 0, 1, 0, 0, 0, 1])
    model = make_model(nodes, {"x": [2, 3, 9, 13], "b": [7, 4]}, weights={"i": pictures}, opset=opset)
    assert_matches_onnxruntime(model, tmp_path, random(2, 3, 9, 13), REGIONS)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [({"mode": "max"}, "mode 'max'"), ({"sampling_ratio": 0}, "sampling_ratio 0"), ({}, "beyond the 1 that there are")],
)
def test_forms_of_roi_align_that_are_refused(attributes: dict[str, Any], message: str, tmp_path: Path) -> None:
    nodes = [node("RoiAlign", "x b i", **{"sampling_ratio": 2, **attributes})]
    pictures = np.array([0, 1])
    model = make_model(nodes, {"x": [1, 3, 9, 13], "b": [2, 4]}, weights={"i": pictures})
    with pytest.raises(UnsupportedOp, match=message):
        import_model(save(model, tmp_path), {})
