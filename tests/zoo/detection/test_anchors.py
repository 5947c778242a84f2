from __future__ import annotations

import numpy as np
import pytest

from separable.zoo.detection.anchors import AnchorGrid, all_boxes, shapes


def test_anchors_run_along_rows_with_the_shapes_of_a_place_together() -> None:
    boxes = AnchorGrid(2, 10, 5, ((2, 4), (6, 6))).boxes()
    np.testing.assert_array_equal(boxes[:3], [[4, 3, 6, 7], [2, 2, 8, 8], [14, 3, 16, 7]])
    np.testing.assert_array_equal(boxes[-1], [12, 12, 18, 18])
    assert boxes.dtype == np.float32


def test_shapes_have_the_area_and_the_ratio() -> None:
    for ratio, (width, height) in zip((0.5, 1, 3), shapes(12, (0.5, 1, 3)), strict=True):
        assert width * height == pytest.approx(144)
        assert width / height == pytest.approx(ratio)


def test_ssd_has_the_anchors_of_its_paper() -> None:
    pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")
    from separable.zoo.catalogue import build

    assert len(build("ssd-vgg", alpha=0.02, classes=1).get_buffer("anchors")) == 8732
    mobilenet = build("ssd-mobilenet", alpha=0.02, classes=1).get_buffer("anchors").numpy()
    assert len(mobilenet) == 1917
    # The least anchor: a square of a tenth of the picture, in its corner of 19 x 19 places.
    np.testing.assert_allclose(mobilenet[0, 2:] - mobilenet[0, :2], 30, rtol=1e-5)
    np.testing.assert_allclose(mobilenet[0, 2:] + mobilenet[0, :2], 300 / 19, rtol=1e-5)


def test_maps_follow_each_other() -> None:
    grids = [AnchorGrid(1, 9, 4, ((2, 2),)), AnchorGrid(2, 9, 4, ((4, 4),))]
    np.testing.assert_array_equal(all_boxes(grids), np.concatenate([grid.boxes() for grid in grids]))
