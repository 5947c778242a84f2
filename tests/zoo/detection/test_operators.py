"""Each step of detection: ONNX Runtime, torch, and where it is short, numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import torch

from separable.zoo.detection.boxes import DecodeBoxes, ForegroundScores
from separable.zoo.detection.head import Detections
from separable.zoo.detection.roi_align import RoiAlign
from separable.zoo.detection.suppression import Suppress

from ..written import both


def random_boxes(count: int, size: float, seed: int = 0) -> np.ndarray:
    """Boxes [1, count, 4], a few of them without an area."""
    random = np.random.default_rng(seed)
    low = random.uniform(0, 0.8 * size, (1, count, 2))
    high = np.minimum(low + random.uniform(0, 0.6 * size, (1, count, 2)), size)
    high[:, ::7] = low[:, ::7]
    return np.concatenate([low, high], axis=2).astype(np.float32)


class TestDecodeBoxes:
    def test_agrees_with_onnx_runtime(self) -> None:
        deltas = np.random.default_rng(1).standard_normal((1, 11, 4)).astype(np.float32)
        result, expected = both(DecodeBoxes(50, (10.0, 5.0)), deltas, random_boxes(11, 50)[0])
        np.testing.assert_allclose(result, expected, atol=1e-4)

    def test_zero_predicts_the_anchor_cut_at_the_picture(self) -> None:
        anchors = np.array([[1, 2, 5, 8], [-3, 4, 3, 60]], np.float32)
        result, _ = both(DecodeBoxes(50, (10.0, 5.0)), np.zeros((1, 2, 4), np.float32), anchors)
        np.testing.assert_allclose(result, [[[1, 2, 5, 8], [0, 4, 3, 50]]], atol=1e-5)

    def test_a_shift_is_in_tenths_of_the_size_and_a_stretch_in_fifths_of_its_logarithm(self) -> None:
        deltas = np.array([[[5, 0, 5 * np.log(2), 0]]], np.float32)
        result, _ = both(DecodeBoxes(50, (10.0, 5.0)), deltas, np.array([[10, 10, 20, 30]], np.float32))
        np.testing.assert_allclose(result, [[[10, 10, 30, 30]]], atol=1e-4)


def test_the_background_is_left_out() -> None:
    scores = np.random.default_rng(2).random((2, 5, 4)).astype(np.float32)
    result, expected = both(ForegroundScores(), scores)
    np.testing.assert_array_equal(result, scores.transpose(0, 2, 1)[:, 1:])
    np.testing.assert_array_equal(result, expected)


class TestSuppress:
    @pytest.mark.parametrize("classes", [1, 3])
    @pytest.mark.parametrize(("limit", "overlap", "threshold"), [(100, 0.3, 0.0), (5, 0.5, 0.2), (1, 0.7, 0.9)])
    def test_agrees_with_onnx_runtime(self, limit: int, overlap: float, threshold: float, classes: int) -> None:
        scores = np.random.default_rng(3).random((1, classes, 43)).astype(np.float32)
        result, expected = both(Suppress(limit, overlap, threshold), random_boxes(43, 30), scores)
        np.testing.assert_array_equal(result, expected)
        kept = (result > 0).sum(axis=2)
        assert kept.max() <= limit
        assert (result[result > 0] > threshold).all()

    def test_classes_with_boxes_of_their_own(self) -> None:
        boxes = np.concatenate([random_boxes(17, 30, seed) for seed in range(3)])
        scores = np.random.default_rng(4).random((3, 1, 17)).astype(np.float32)
        result, expected = both(Suppress(17, 0.4, 0.1), boxes, scores)
        np.testing.assert_array_equal(result, expected)
        assert 0 < (result > 0).sum() < 51

    def test_nothing_above_the_threshold_is_nothing_kept(self) -> None:
        result, expected = both(Suppress(3, 0.5, 0.5), random_boxes(4, 9), np.full((1, 2, 4), 0.5, np.float32))
        assert not result.any()
        assert not expected.any()

    def test_a_box_suppresses_what_it_covers_and_not_more(self) -> None:
        boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4], [20, 20, 30, 30]]], np.float32)
        scores = np.array([[[0.8, 0.9, 0.7, 0.1]]], np.float32)
        result, _ = both(Suppress(4, 0.5, 0.0), boxes, scores)
        np.testing.assert_allclose(result, [[[0, 0.9, 0.7, 0.1]]])


class TestRoiAlign:
    @pytest.mark.parametrize("scale", [1 / 16, 0.3])
    @pytest.mark.parametrize("size", [1, 7])
    def test_agrees_with_onnx_runtime(self, size: int, scale: float) -> None:
        features = np.random.default_rng(5).standard_normal((1, 3, 9, 13)).astype(np.float32)
        boxes = random_boxes(19, 200)
        boxes[0, :3] = [[0, 0, 0, 0], [199, 199, 200, 200], [0, 0, 200, 200]]
        result, expected = both(RoiAlign(size, scale), features, boxes)
        assert result.shape == (19, 3, size, size)
        np.testing.assert_allclose(result, expected, atol=1e-4)

    def test_a_constant_map_gives_the_constant(self) -> None:
        result, _ = both(RoiAlign(3, 0.5), np.full((1, 2, 8, 8), 4.5, np.float32), random_boxes(5, 15))
        np.testing.assert_allclose(result, 4.5, rtol=1e-5)


class TestDetections:
    def test_the_best_come_first_and_the_rest_is_zero(self) -> None:
        boxes = torch.tensor([[[0.0, 0, 4, 4], [0, 0, 4, 3.9], [6, 6, 8, 8]]])
        scores = torch.tensor([[[0.2, 0.9, 0.0], [0.0, 0.0, 0.5]]])
        found = Detections(anchors=3, limit=4, overlap=0.5, threshold=0.1)(boxes, scores)
        assert found[0].tolist() == [[pytest.approx([0, 0, 4, 3.9]), [6, 6, 8, 8], [0, 0, 0, 0], [0, 0, 0, 0]]]
        assert found[1].tolist() == [pytest.approx([0.9, 0.5, 0, 0])]
        assert found[2].tolist() == [[1, 2, 0, 0]]
        assert found[3].tolist() == [2]

    def test_classes_with_boxes_of_their_own(self) -> None:
        boxes = torch.tensor([[[0.0, 0, 4, 4], [1, 1, 2, 2]], [[5, 5, 9, 9], [6, 6, 7, 7]]])
        scores = torch.tensor([[[0.2, 0.0]], [[0.0, 0.7]]])
        found = Detections(anchors=2, limit=3, overlap=0.5, threshold=0.1)(boxes, scores)
        assert found[0].tolist() == [[[6, 6, 7, 7], [0, 0, 4, 4], [0, 0, 0, 0]]]
        assert found[2].tolist() == [[2, 1, 0]]
