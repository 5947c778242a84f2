"""The results of a detector, compared as sets: boxes of nearly equal scores may come in another order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SCORES = "scores"
_BOXES, _CLASSES, _COUNT = "boxes", "classes", "count"


def are_detections(outputs: Mapping[str, Array]) -> bool:
    """Whether these are boxes [1, k, 4], scores [1, k], classes [1, k] and count [1], as the zoo's detectors have them.

    Scores are probabilities, the highest first; behind the last box everything is zero.
    """
    if set(outputs) != {_BOXES, SCORES, _CLASSES, _COUNT}:
        return False
    shape = outputs[SCORES].shape
    return (
        len(shape) == 2
        and outputs[_CLASSES].shape == shape
        and outputs[_BOXES].shape == (*shape, 4)
        and outputs[_COUNT].shape == shape[:1] == (1,)
    )


def in_order_of(expected: Mapping[str, Array], actual: Mapping[str, Array], tolerance: float) -> dict[str, Array]:
    """``actual`` with its boxes and their classes where ``expected`` has them; scores stay in place.

    Each box takes the place of the nearest one of its class whose score differs by ``tolerance`` at most. A box without
    a counterpart fills a place that is left, where it is seen as different. Scores are compared place by place: that
    their order is right is part of the result.
    """
    ours, theirs = _rows(actual), _rows(expected)
    alike = (np.abs(ours[SCORES][None] - theirs[SCORES][:, None]) <= tolerance) & (
        ours[_CLASSES][None] == theirs[_CLASSES][:, None]
    )
    with np.errstate(invalid="ignore"):
        distance = np.abs(ours[_BOXES][None] - theirs[_BOXES][:, None]).max(axis=2)
    distance = np.where(alike & ~np.isnan(distance), distance, np.inf)
    order = np.full(len(distance), -1)
    for _ in order:
        place, row = np.unravel_index(np.argmin(distance), distance.shape)
        if not np.isfinite(distance[place, row]):
            break
        order[place] = row
        distance[place], distance[:, row] = np.inf, np.inf
    order[order < 0] = np.setdiff1d(np.arange(len(order)), order)
    return {name: array[:, order] if name in (_BOXES, _CLASSES) else array for name, array in actual.items()}


def _rows(outputs: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.asarray(array[0], np.float64) for name, array in outputs.items() if name != _COUNT}
