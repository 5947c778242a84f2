"""Integers, the largest elements, and suppression of boxes: equal to ONNX Runtime, ties and empty results included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto

from tests.compiler.models import make_model, node, save

from .support import CompileLibrary, FloatArray, reference

TARGETS = ["native", "arm64:generic"]


class Case:
    """A small network that is compiled for each target and must give exactly what ONNX Runtime gives."""

    def __init__(
        self,
        nodes: Sequence[NodeProto],
        inputs: Mapping[str, Sequence[int]],
        outputs: str,
        weights: Mapping[str, NDArray[Any]],
    ) -> None:
        self.model = make_model(nodes, inputs, outputs, weights, opset=13)

    def check(
        self, compile_library: CompileLibrary, folder: Path, target: str, *runs: Mapping[str, FloatArray]
    ) -> None:
        path = save(self.model, folder)
        library = compile_library(path, target)
        for inputs in runs:
            for threads in (1, 2):
                actual = library.run(inputs, threads)
                for ours, theirs in zip(actual, reference(path, inputs), strict=True):
                    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("target", TARGETS)
def test_arithmetic_with_integers(target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    """Of both signs, near the limits of what float32 holds exactly, and with an index for each."""
    nodes = [
        node("Cast", "x", "i", "to_int", to=7),
        node("Mul", "i big", "product"),
        node("Add", "product one", "sum"),
        node("Mod", "sum five", "index"),
        node("Div", "sum seven", "quotient"),
        node("Mul", "quotient seven", "floor", "times"),
        node("Sub", "sum floor", "rest"),
        node("Gather", "table index", "picked"),
        node("Cast", "index", "index_float", "index_to_float", to=1),
        node("Cast", "rest", "rest_float", "rest_to_float", to=1),
        node("Cast", "index", "narrow", "to_int32", to=6),
        node("Gather", "table narrow", "last", "gather_last", axis=1),
    ]
    numbers = {"big": (1 << 40) + 1, "one": 1, "five": 5, "seven": 7}
    weights: dict[str, NDArray[Any]] = {name: np.array([value], np.int64) for name, value in numbers.items()}
    weights["table"] = np.arange(15, dtype=np.float32).reshape(3, 5)[:, ::-1].repeat(2, axis=0)[:5]
    x = np.arange(-37, 37, dtype=np.float32).reshape(2, 37)
    case = Case(nodes, {"x": [2, 37]}, "picked index_float rest_float last", weights)
    case.check(compile_library, tmp_path, target, {"x": x})


@pytest.mark.parametrize("target", TARGETS)
def test_gather_by_constants(target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    weights = {"i": np.array([[0, -1], [2, -7]]), "last": np.array(-2)}
    nodes = [node("Gather", "x i", "a", "rows", axis=1), node("Gather", "a last", "b", "column", axis=-1)]
    x = np.random.default_rng(1).random((2, 7, 5)).astype(np.float32)
    Case(nodes, {"x": [2, 7, 5]}, "a b", weights).check(compile_library, tmp_path, target, {"x": x})


@pytest.mark.parametrize("target", TARGETS)
def test_top_k(target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    """The first of equal elements, whichever way they are sorted, along any axis, one or all of them."""
    nodes, outputs = [], []
    for number, (k, axis, largest) in enumerate([("seven", -1, 1), ("one", 1, 0), ("all", 1, 1), ("three", 0, 0)]):
        v, i = f"v{number}", f"i{number}"
        nodes += [
            node("TopK", f"x {k}", f"{v} {i}", v, axis=axis, largest=largest),
            node("Cast", i, f"{i}f", i, to=1),
        ]
        outputs += [v, f"{i}f"]
    weights = {"seven": np.array([7]), "one": np.array([1]), "all": np.array([41]), "three": np.array([3])}
    random = np.random.default_rng(2)
    ties = np.round(random.random((5, 41)), 1).astype(np.float32)
    case = Case(nodes, {"x": [5, 41]}, " ".join(outputs), weights)
    case.check(compile_library, tmp_path, target, {"x": ties}, {"x": np.zeros((5, 41), np.float32)}, {"x": -ties})


def head(classes: int, count: int, pictures: int = 1, limit: int = 4, best: int = 9, **attributes: Any) -> Case:
    """The end of a detector, as its results are padded to a fixed number."""
    nodes = [
        node("NonMaxSuppression", "boxes scores limit overlap threshold", "selected", "select", **attributes),
        node("GatherND", "scores selected", "gathered", "gather_scores"),
        node("ScatterND", "zeros selected gathered", "kept", "suppress"),
        node("Reshape", "kept row", "flat", "flatten"),
        node("TopK", "flat best", "top places", "best", axis=1),
        node("Mod", "places count", "index"),
        node("Div", "places count", "class"),
        node("Gather", "rows index", "picked", "pick"),
        node("Sign", "top", "valid"),
        node("Unsqueeze", "valid last", "column"),
        node("Mul", "picked column", "found", "mask"),
        node("Cast", "class", "class_float", to=1),
        node("Mul", "class_float valid", "label", "mask_class"),
        node("ReduceSum", "valid one", "number", keepdims=0),
        node("Reshape", "boxes four", "rows", "box_rows"),
    ]
    weights: dict[str, NDArray[Any]] = {
        "limit": np.array([limit]),
        "overlap": np.array([0.4], np.float32),
        "threshold": np.array([0.15], np.float32),
        "zeros": np.zeros((pictures, classes, count), np.float32),
        "row": np.array([1, -1]),
        "best": np.array([best]),
        "count": np.array([pictures * count]),
        "last": np.array([2]),
        "one": np.array([1]),
        "four": np.array([-1, 4]),
    }
    ordered = [nodes[-1], *nodes[:-1]]
    inputs = {"boxes": [pictures, count, 4], "scores": [pictures, classes, count]}
    return Case(ordered, inputs, "kept top found label number", weights)


def detections(shape: tuple[int, int, int], seed: int, digits: int) -> dict[str, FloatArray]:
    """Boxes of which many overlap, some twice the same, some turned round or empty; scores of which many are equal."""
    random = np.random.default_rng(seed)
    pictures, classes, count = shape
    low = random.uniform(0, 20, (pictures, count, 2))
    boxes = np.concatenate([low, low + random.uniform(0, 10, (pictures, count, 2))], axis=2).astype(np.float32)
    boxes[:, ::5] = boxes[:, :1]
    boxes[:, 1::7] = boxes[:, 1::7][..., [2, 3, 0, 1]]
    boxes[:, 2::11, 2:] = boxes[:, 2::11, :2]
    return {"boxes": boxes, "scores": np.round(random.random((pictures, classes, count)), digits).astype(np.float32)}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("shape", "limit", "attributes"),
    [((1, 3, 43), 4, {}), ((1, 1, 17), 17, {}), ((3, 1, 13), 100, {}), ((1, 5, 31), 9, {"center_point_box": 1})],
)
def test_a_detectors_end(
    shape: tuple[int, int, int],
    limit: int,
    attributes: dict[str, Any],
    target: str,
    compile_library: CompileLibrary,
    tmp_path: Path,
) -> None:
    pictures, classes, count = shape
    case = head(classes, count, pictures, limit, **attributes)
    runs = [detections(shape, seed, digits) for seed, digits in ((0, 1), (1, 6))]
    nothing = dict(runs[0], scores=np.full(shape, 0.15, np.float32))
    equal = dict(runs[1], scores=np.full(shape, 0.5, np.float32))
    case.check(compile_library, tmp_path, target, *runs, nothing, equal)


def test_many_boxes(compile_library: CompileLibrary, tmp_path: Path) -> None:
    """More that are kept than the overlaps of one vector, and enough to share among threads."""
    shape = (1, 7, 1917)
    case = head(7, 1917, limit=100, best=100)
    runs = [detections(shape, seed, digits) for seed, digits in ((0, 2), (1, 6))]
    spread = dict(runs[1], boxes=runs[1]["boxes"] * np.float32(20))
    spread["boxes"][..., 2:] = spread["boxes"][..., :2] + 3
    case.check(compile_library, tmp_path, "native", *runs, spread)
