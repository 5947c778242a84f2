from __future__ import annotations

import numpy as np
import pytest

from separable.compiler.detections import Array, are_detections, in_order_of
from separable.compiler.verify import compare_outputs

TOLERANCE = 1e-4


def detections() -> dict[str, Array]:
    """Four boxes, of which two have nearly equal scores, and two empty places."""
    boxes = [[0, 0, 10, 10], [5, 5, 20, 20], [30, 30, 40, 41], [1, 2, 3, 4], [0, 0, 0, 0], [0, 0, 0, 0]]
    return {
        "boxes": np.array([boxes], np.float32),
        "scores": np.array([[0.9, 0.50002, 0.5, 0.3, 0, 0]], np.float32),
        "classes": np.array([[1, 2, 2, 1, 0, 0]], np.float32),
        "count": np.array([4], np.float32),
    }


def in_places(order: list[int], *names: str) -> dict[str, Array]:
    """Those detections with the rows of some outputs in another order."""
    return {name: array[:, order] if name in names else array for name, array in detections().items()}


def errors(actual: dict[str, Array]) -> dict[str, float]:
    return {item.output: item.relative for item in compare_outputs(actual, detections())}


def test_what_detections_are() -> None:
    assert are_detections(detections())
    assert not are_detections({"y": np.zeros((1, 6))})
    assert not are_detections({**detections(), "masks": np.zeros(1)})
    for name in detections():
        assert not are_detections({**detections(), name: np.zeros((1, 7))})


@pytest.mark.parametrize("swapped", [False, True])
def test_boxes_of_nearly_equal_scores_may_change_places(swapped: bool) -> None:
    order = [0, 2, 1, 3, 4, 5] if swapped else list(range(6))
    actual = in_places(order, "boxes", "classes")
    ordered = in_order_of(detections(), actual, TOLERANCE)
    assert all(np.array_equal(ordered[name], array) for name, array in detections().items())
    assert max(errors(actual).values()) == 0


def test_boxes_of_different_scores_may_not() -> None:
    assert errors(in_places([3, 1, 2, 0, 4, 5], "boxes", "classes"))["boxes"] > 0.1


def test_boxes_of_different_classes_may_not() -> None:
    actual = in_places([0, 2, 1, 3, 4, 5], "boxes", "classes")
    actual["classes"] = np.array([[1, 2, 1, 1, 0, 0]], np.float32)
    assert errors(actual)["classes"] > 0.1


def test_scores_must_be_in_order() -> None:
    """The same set, the least probable first."""
    assert errors(in_places([5, 4, 3, 2, 1, 0], "boxes", "scores", "classes"))["scores"] > 0.1


@pytest.mark.parametrize(
    ("name", "place"), [("boxes", (0, 1, 2)), ("scores", (0, 1)), ("classes", (0, 1)), ("count", 0)]
)
@pytest.mark.parametrize("wrong", [1.0, 77.0, np.nan, np.inf])
def test_a_wrong_number_is_found(name: str, place: tuple[int, ...] | int, wrong: float) -> None:
    actual = detections()
    actual[name][place] = wrong
    assert errors(actual)[name] > TOLERANCE


def test_a_box_twice_is_found() -> None:
    actual = detections()
    actual["boxes"][0, 2] = actual["boxes"][0, 1]
    assert errors(actual)["boxes"] > 0.1


def test_a_box_more_or_less_is_found() -> None:
    fewer = {name: array * (array < 0) if name == "count" else array.copy() for name, array in detections().items()}
    for name in ("boxes", "scores", "classes"):
        fewer[name][0, 3] = 0
    assert all(error > TOLERANCE for error in errors(fewer).values())


def test_scores_are_measured_by_the_range_of_probabilities() -> None:
    actual, expected = detections(), detections()
    expected["scores"] = np.array([[0.50003, 0.50002, 0.50001, 0.5, 0.5, 0.5]], np.float32)
    actual["scores"] = expected["scores"] + np.float32(5e-5)
    (scores,) = [item for item in compare_outputs(actual, expected) if item.output == "scores"]
    assert scores.relative == pytest.approx(5e-5, rel=0.01)


def test_other_outputs_stay_in_place_and_are_measured_by_their_range() -> None:
    expected = {"scores": np.array([[0.5, 0.5001]], np.float32)}
    (found,) = compare_outputs({"scores": expected["scores"][:, ::-1]}, expected)
    assert found.relative == 1
