from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import torch
from torch import nn

from separable.benchmarks.distillation import Ensemble, Seed, distillation_wins, read_digits, run_experiment
from separable.zoo.dataset import Pictures
from separable.zoo.recipe import Recipe
from separable.zoo.run_folder import TrainingError


def pictures(count: int, seed: int) -> Pictures:
    random = np.random.default_rng(seed)
    values = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return Pictures(values, np.arange(count) % 10, tuple("0123456789"))


def test_the_digits() -> None:
    pytest.importorskip("sklearn", reason="the benchmark needs scikit-learn (extra 'bench')")
    learn, test = read_digits()
    assert (len(learn), len(test)) == (898, 899)
    assert learn.values.shape[1:] == (3, 32, 32)
    assert (learn.values.min(), learn.values.max()) == (0, 255)
    assert set(learn.labels) == set(test.labels) == set(range(10))


def test_an_experiment_is_gone_on_with(tmp_path: Path) -> None:
    learn, test, recipe = pictures(24, 0), pictures(10, 1), Recipe(epochs=1, batch=12)
    seen: list[str] = []
    first = run_experiment(learn, test, tmp_path, recipe, [1], seen.append)
    assert [text.split(",")[0] for text in seen] == ["teacher 0", "teacher 1", "teacher 2", "labels 1", "distilled 1"]
    assert len(first[0]) == 3
    more = run_experiment(learn, test, tmp_path, recipe, [1, 2], seen.append)
    assert [text.split(",")[0] for text in seen[5:]] == ["labels 2", "distilled 2"]
    assert more[2][:1] == first[2]
    with pytest.raises(TrainingError, match="another pictures"):
        run_experiment(test, test, tmp_path, recipe, [1], seen.append)


def test_an_ensemble_is_a_mean() -> None:
    one, two = nn.Linear(2, 3), nn.Linear(2, 3)
    x = torch.ones(1, 2)
    assert torch.allclose(Ensemble([one, two])(x), (one(x) + two(x)) / 2)


def test_the_bar() -> None:
    assert distillation_wins([Seed(1, 0.8, 0.9), Seed(2, 0.9, 0.89)])
    assert not distillation_wins([Seed(1, 0.8, 0.8), Seed(2, 0.9, 0.89)])
