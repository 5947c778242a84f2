from __future__ import annotations

import numpy as np
import pytest

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.outputs import check_outputs, relative_error


def test_relative_error() -> None:
    expected = np.array([0, 5, 10], np.float32)
    assert relative_error(expected, expected) == 0
    assert relative_error(np.array([0, 5, 11], np.float32), expected) == pytest.approx(0.1)
    assert np.isnan(relative_error(np.array([0, np.nan, 10], np.float32), expected))


@pytest.mark.parametrize(
    ("name", "error", "right"),
    [("ours", 0.9e-4, True), ("ours", 1.1e-4, False), ("ncnn", 0.9e-3, True), ("ncnn", 1.1e-3, False)],
)
def test_wrong_outputs_are_refused(name: str, error: float, right: bool) -> None:
    expected = {"y": np.array([0, 1.0])}
    outputs = {"y": np.array([error, 1.0])}
    if right:
        assert check_outputs(name, outputs, expected) == pytest.approx(error)
    else:
        with pytest.raises(ContenderFailed, match=f"^{name}: output 'y' differs by 1.1e-0[34] of its range"):
            check_outputs(name, outputs, expected)


def test_outputs_of_another_shape_are_refused() -> None:
    with pytest.raises(ContenderFailed, match=r"has shape \(1,\), not \(1, 1\)"):
        check_outputs("ncnn", {"y": np.ones(1)}, {"y": np.ones((1, 1))})


def test_detections_are_compared_as_a_set() -> None:
    expected = {
        "boxes": np.array([[[0, 0, 1, 1], [5, 5, 9, 9]]], np.float32),
        "scores": np.array([[0.50001, 0.5]], np.float32),
        "classes": np.ones((1, 2), np.float32),
        "count": np.array([2], np.float32),
    }
    swapped = {**expected, "boxes": expected["boxes"][:, ::-1]}
    assert check_outputs("ours", swapped, expected) == 0
    with pytest.raises(ContenderFailed, match=r"output 'scores' differs by 2\.0e-04"):
        check_outputs("ours", {**expected, "scores": expected["scores"] + np.float32(2e-4)}, expected)
    with pytest.raises(ContenderFailed, match="output 'boxes' differs"):
        check_outputs("ours", {**expected, "boxes": expected["boxes"] + 1}, expected)
