"""A guess at how long a tile takes, learnt from the measured ones of all tasks, to choose what is measured next.

What it learns is the time divided by that of the default tile of the same task, so that what one layer teaches about
unrolling or the order of loops holds for the others. XGBoost's trees if they are installed, else a ridge regression.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from separable.compiler.tuning.tasks import Task
from separable.schedules import conv_tile
from separable.schedules.kernel import round_up
from separable.schedules.space import Tile, parameters
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise

Vector: TypeAlias = NDArray[np.float64]

_FEWEST = 8
"""Measurements below which a guess is worth nothing."""

_NAMES = ("rows", "columns", "vectors", "lanes", "unroll", "pixels_outer", "depthwise.rows", "depthwise.columns")
_TREES = 60


class TileModel:
    """Predicts ``log(time / time of the default)``; retrained when it is asked after new measurements."""

    def __init__(self) -> None:
        self._default: dict[str, float] = {}
        self._measured: list[tuple[Task, Tile, float]] = []
        self._trained = 0
        self._predict: Any = None

    def learn(self, task: Task, tile: Tile, seconds: float) -> None:
        """Take note of a measurement."""
        if tile == task.space.default:
            self._default[task.name] = seconds
        self._measured.append((task, tile, seconds))

    def guess(self, task: Task, tiles: Sequence[Tile]) -> Vector:
        """The predicted logarithm for each tile; zeros as long as too little was measured."""
        usable = [(t, tile, s) for t, tile, s in self._measured if t.name in self._default]
        if len(usable) < _FEWEST:
            return np.zeros(len(tiles))
        if len(usable) != self._trained:
            x = np.array([features(t, tile) for t, tile, _ in usable])
            y = np.array([math.log(seconds / self._default[t.name]) for t, _, seconds in usable])
            # A tile that is ten times slower is as useless as one that is twice as slow.
            self._predict = _fit(x, np.minimum(y, math.log(2)))
            self._trained = len(usable)
        guesses: Vector = self._predict(np.array([features(task, tile) for tile in tiles]))
        return guesses


def features(task: Task, tile: Tile) -> list[float]:
    """Numbers that describe a tile on its workload, the same ones for every kind of workload."""
    w = task.workload
    assert isinstance(w, Conv | Depthwise | DepthwisePointwise | Dense)
    values = {name.removeprefix("pointwise."): value for name, value in parameters(tile).items()}
    rows, columns, vectors = (values.get(name, 1) for name in ("rows", "columns", "vectors"))
    height, width, blocks, depth = _extents(w)
    pixels = rows * columns
    waste = round_up(height, rows) * round_up(width, columns) * round_up(blocks, vectors) / (height * width * blocks)
    kinds = [float(isinstance(w, kind)) for kind in (Conv, Depthwise, DepthwisePointwise, Dense)]
    shape = [math.log2(extent) for extent in (height, width, blocks, depth)]
    chosen = [math.log2(1 + values.get(name, 0)) for name in _NAMES]
    derived = [pixels * vectors, pixels + vectors, waste, pixels * vectors * values.get("unroll", 1)]
    return [*kinds, *shape, *chosen, *map(float, derived)]


def _extents(w: Conv | Depthwise | DepthwisePointwise | Dense) -> tuple[int, int, int, int]:
    """Rows, columns and vectors that tiles divide, and the products summed for one output."""
    if isinstance(w, Dense):
        return math.prod(w.x.shape[:-1]), 1, w.y.shape[-1], w.x.shape[-1]
    if isinstance(w, Conv):
        height, width = conv_tile.grid(w)
        return height, width, w.y.blocks, conv_tile.products(w)
    assert isinstance(w.y, Blocked)
    return w.y.height, w.y.width, w.y.blocks, math.prod(w.window.size)


def _fit(x: Vector, y: Vector) -> Any:
    """A function from features to predictions."""
    return _fit_trees(x, y) if importlib.util.find_spec("xgboost") else _fit_ridge(x, y)


def _fit_trees(x: Vector, y: Vector) -> Any:
    import xgboost

    settings = {"max_depth": 6, "eta": 0.15, "min_child_weight": 2, "nthread": 1, "verbosity": 0, "seed": 0}
    trees = xgboost.train(settings, xgboost.DMatrix(x, label=y), num_boost_round=_TREES)
    return lambda rows: np.asarray(trees.predict(xgboost.DMatrix(rows)), np.float64)


def _fit_ridge(x: Vector, y: Vector) -> Any:
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9

    def expand(rows: Vector) -> Vector:
        normal = (rows - mean) / scale
        return np.hstack([np.ones((len(rows), 1)), normal, normal**2])

    design = expand(x)
    weights = np.linalg.solve(design.T @ design + np.eye(design.shape[1]), design.T @ y)
    return lambda rows: expand(rows) @ weights
