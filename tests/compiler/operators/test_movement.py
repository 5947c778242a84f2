from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.compiler.errors import UnsupportedOp
from separable.compiler.exprs import Array
from separable.compiler.importer import import_model
from tests.compiler.models import assert_matches_onnxruntime, make_model, node, random, save

SHAPE = (1, 4, 6, 7)


@pytest.mark.parametrize(
    ("op", "weights", "attributes"),
    [
        ("DepthToSpace", {}, {"blocksize": 2}),
        ("DepthToSpace", {}, {"blocksize": 2, "mode": "CRD"}),
        ("Flatten", {}, {}),
        ("Flatten", {}, {"axis": -1}),
        ("Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 0, 3])}, {}),
        ("Pad", {"p": np.array([0, 1, 0, 0, 0, 0, 0, 1]), "v": np.array(2.5, np.float32)}, {}),
        ("Reshape", {"s": np.array([0, -1, 7])}, {}),
        ("Slice", {"b": np.array([1]), "e": np.array([2**62]), "a": np.array([-2])}, {}),
        ("Slice", {"b": np.array([0, -3]), "e": np.array([9, -1]), "a": np.array([2, 3]), "s": np.array([2, 1])}, {}),
        ("Squeeze", {"a": np.array([0])}, {}),
        ("Transpose", {}, {}),
        ("Transpose", {}, {"perm": [0, 2, 3, 1]}),
        ("Unsqueeze", {"a": np.array([0, -1])}, {}),
    ],
)
def test_single_operand(op: str, weights: dict[str, Array], attributes: dict[str, Any], tmp_path: Path) -> None:
    model = make_model([node(op, " ".join(["x", *weights]), **attributes)], {"x": SHAPE}, weights=weights)
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


def test_space_to_depth(tmp_path: Path) -> None:
    model = make_model([node("SpaceToDepth", "x", blocksize=2)], {"x": [1, 3, 4, 6]})
    assert_matches_onnxruntime(model, tmp_path, random(1, 3, 4, 6))


@pytest.mark.parametrize("axis", [1, -1])
def test_concat(axis: int, tmp_path: Path) -> None:
    model = make_model([node("Concat", "x c x", axis=axis)], {"x": SHAPE}, weights={"c": random(*SHAPE, seed=1)})
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


def test_split(tmp_path: Path) -> None:
    nodes = [node("Split", "x s", "a b c", axis=1)]
    model = make_model(nodes, {"x": SHAPE}, outputs="a c", weights={"s": np.array([1, 2, 1])})
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("size", [(12, 14), (9, 7), (3, 14)])
def test_resize(mode: str, coordinates: str, size: tuple[int, int], tmp_path: Path) -> None:
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": "floor"}
    weights = {"z": np.array([1, 4, *size])}
    model = make_model([node("Resize", "x _ _ z", **attributes)], {"x": SHAPE}, weights=weights)
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


def test_upsample(tmp_path: Path) -> None:
    weights = {"s": np.array([1, 1, 2, 3], np.float32)}
    model = make_model([node("Upsample", "x s", mode="nearest")], {"x": SHAPE}, weights=weights, opset=9)
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


@pytest.mark.parametrize(
    ("op", "operands", "weights", "attributes", "message"),
    [
        ("Pad", "x p", {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, {"mode": "reflect"}, "padding mode 'reflect'"),
        ("Pad", "x p", {"p": np.array([0, 0, -1, 0, 0, 0, 0, 0])}, {}, "negative padding"),
        ("Slice", "x b e a s", {k: np.array([v]) for k, v in zip("beas", (5, 0, 2, -1), strict=True)}, {}, "positive"),
        ("Resize", "x _ s", {"s": np.array([1, 1, 1.3, 1.3], np.float32)}, {}, "whole sizes"),
        ("Resize", "x _ s", {"s": np.array([1, 2, 1, 1], np.float32)}, {}, "only height and width"),
        ("Resize", "x _ s", {"s": np.array([1, 1, 2, 2], np.float32)}, {"mode": "cubic"}, "mode 'cubic'"),
    ],
)
def test_forms_that_are_refused(
    op: str, operands: str, weights: dict[str, Array], attributes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = make_model([node(op, operands, **attributes)], {"x": SHAPE}, weights=weights)
    with pytest.raises(UnsupportedOp, match=message):
        import_model(save(model, tmp_path), {})
