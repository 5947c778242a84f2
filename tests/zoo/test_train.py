from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import torch
from torch import nn

from separable.zoo.architecture import Head, MobileNetV1
from separable.zoo.dataset import Pictures
from separable.zoo.drawing import draw_weights
from separable.zoo.mobilenet_v1 import MobileNetV1Network
from separable.zoo.network import Calibration, PooledClassifier
from separable.zoo.recipe import Recipe, distillation_loss, embedding_loss, make_optimizer
from separable.zoo.run_folder import TrainingError
from separable.zoo.train import augment, make_batches, train
from separable.zoo.weights import load_for_fine_tuning, load_weights

SIZE = 32
RECIPE = Recipe(epochs=3, batch=11, learning_rate=0.02, shift=2, flip=True, seed=5)


def stripes(count: int, seed: int) -> Pictures:
    """Pictures of two classes: stripes across and stripes down."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    values = np.zeros((count, 3, SIZE, SIZE), np.uint8)
    for picture, label in zip(values, labels, strict=True):
        lines = (np.arange(SIZE) + random.integers(8)) // 4 % 2 * 200 + random.integers(0, 50, SIZE)
        picture[:] = lines if label else lines[:, None]
    return Pictures(values, labels.astype(np.int64), ("across", "down"))


def network(head: Head = "logits", seed: int = 0, classes: int = 2) -> MobileNetV1Network:
    result = MobileNetV1Network(MobileNetV1(0.1, SIZE, classes, head=head))
    draw_weights(result, seed)
    return result


LEARN, CHECK = stripes(34, 0), stripes(16, 1)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


def test_it_learns_what_is_easy(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = Recipe(epochs=15, batch=16, learning_rate=0.05, decay=0.8)
    student = MobileNetV1Network(MobileNetV1(0.25, SIZE, 2))
    assert train(student, stripes(64, 0), CHECK, tmp_path, recipe) >= 0.9
    with (tmp_path / "curve.csv").open() as file:
        curve = list(csv.DictReader(file))
    assert [line["epoch"] for line in curve] == [str(number) for number in range(1, 16)]
    assert float(curve[-1]["loss"]) < float(curve[0]["loss"])


def test_the_same_seed_gives_the_same_weights_and_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole, stopped = network(), network()
    train(whole, LEARN, CHECK, tmp_path / "whole", RECIPE)
    train(stopped, LEARN, CHECK, tmp_path / "parts", Recipe(**{**vars(RECIPE), "epochs": 1}))
    resumed = network(seed=9)
    train(resumed, LEARN, CHECK, tmp_path / "parts", RECIPE)
    assert same(whole, resumed)
    assert not same(whole, stopped)
    assert (tmp_path / "whole" / "curve.csv").read_bytes() == (tmp_path / "parts" / "curve.csv").read_bytes()
    loaded = network(seed=3)
    load_weights(loaded, tmp_path / "parts" / "weights.pt")
    assert same(whole, loaded)


def test_a_run_of_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, batch=17)
    train(network(), LEARN, CHECK, tmp_path, recipe)
    with pytest.raises(TrainingError, match=r"holds a run of mobilenet_v1_0\.1_32"):
        train(network(), LEARN, CHECK, tmp_path, Recipe(epochs=1, batch=16))
    with pytest.raises(TrainingError, match="with another pictures: choose another folder"):
        train(network(), CHECK, CHECK, tmp_path, recipe)
    with pytest.raises(TrainingError, match="with another teacher"):
        train(network(), LEARN, CHECK, tmp_path, recipe, teacher=network())
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(TrainingError, match=r"state\.pt is no state of a run"):
        train(network(), LEARN, CHECK, tmp_path, recipe)


def test_depthwise_filters_biases_and_normalisation_do_not_decay() -> None:
    student = network()
    decaying, others = make_optimizer(student, Recipe(weight_decay=0.5)).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.5, 0)
    names = {id(parameter): name for name, parameter in student.named_parameters()}
    assert {names[id(parameter)].split(".")[-2] for parameter in decaying["params"]} == {"conv", "classifier"}
    assert not [names[id(p)] for p in decaying["params"] if "depthwise" in names[id(p)] or "bias" in names[id(p)]]
    assert len(decaying["params"]) + len(others["params"]) == len(names)


def test_soft_targets_are_learnt_beside_the_labels() -> None:
    logits, teacher = torch.tensor([[1.0, -1.0, 0.5]]), torch.tensor([[2.0, 0.0, -1.0]])
    labels = torch.tensor([2])
    hard = nn.functional.cross_entropy(logits, labels)
    assert distillation_loss(logits, teacher, labels, Recipe(teacher_share=0)) == pytest.approx(float(hard))
    least = distillation_loss(teacher, teacher, labels, Recipe(teacher_share=1))
    assert float(least) < float(distillation_loss(logits, teacher, labels, Recipe(teacher_share=1)))


@pytest.mark.parametrize("head", ["embedding", "attributes"])
def test_a_student_comes_closer_to_its_teacher(tmp_path: Path, head: Head) -> None:
    with pytest.raises(TrainingError, match="from a teacher"):
        train(network(head), LEARN, CHECK, tmp_path, RECIPE)
    lines: list[dict[str, float]] = []
    teacher = network(head, seed=7)
    recipe = Recipe(epochs=4, batch=16, learning_rate=0.05)
    train(network(head), LEARN, CHECK, tmp_path, recipe, teacher=teacher, note=lines.append)
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_the_distance_of_embeddings() -> None:
    a, b = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert float(embedding_loss(a, b)) == 1


def test_dropout_has_a_seed(tmp_path: Path) -> None:
    def classifier() -> PooledClassifier:
        torch.manual_seed(1)
        return PooledClassifier("small", SIZE, Calibration(2, SIZE, 0), nn.Conv2d(3, 8, 3, 4), 8, 2, 0.5)

    first, second = classifier(), classifier()
    train(first, LEARN, CHECK, tmp_path / "first", RECIPE)
    torch.manual_seed(2)
    train(second, LEARN, CHECK, tmp_path / "second", Recipe(**{**vars(RECIPE), "epochs": 2}))
    train(second, LEARN, CHECK, tmp_path / "second", RECIPE)
    assert same(first, second)


def test_pictures_are_moved_and_their_edge_is_drawn_out() -> None:
    picture = np.tile(np.arange(6, dtype=np.float32), (1, 3, 6, 1))
    seen = set()
    for seed in range(20):
        moved = augment(picture.copy(), Recipe(shift=2), np.random.default_rng(seed))
        seen.add(tuple(moved[0, 0, 0].astype(int)))
    assert seen == {(0, 0, 0, 1, 2, 3), (0, 0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 5), (2, 3, 4, 5, 5, 5)}


def test_a_checkpoint_of_other_classes_is_fine_tuned(tmp_path: Path) -> None:
    train(network(classes=3), LEARN, CHECK, tmp_path / "before", Recipe(epochs=1))
    tuned = network(seed=4)
    load_for_fine_tuning(tuned, tmp_path / "before" / "weights.pt")
    start = {name: value.clone() for name, value in tuned.state_dict().items()}
    train(tuned, LEARN, CHECK, tmp_path / "after", Recipe(epochs=1, learning_rate=1e-6))
    learnt = [name for name, _ in tuned.named_parameters()]
    assert all(torch.allclose(start[name], tuned.state_dict()[name], atol=1e-3) for name in learnt)
    assert not all(torch.equal(start[name], tuned.state_dict()[name]) for name in learnt)


@pytest.mark.parametrize(("count", "sizes"), [(2, [2]), (33, [33]), (34, [17, 17]), (50, [17, 17, 16])])
def test_no_batch_of_a_few_pictures(count: int, sizes: list[int]) -> None:
    batches = list(make_batches(stripes(count, 0), Recipe(batch=16 if count > 33 else 32), np.random.default_rng(0)))
    assert [len(x) for x, _ in batches] == sizes


def test_boxes_are_not_learnt(tmp_path: Path) -> None:
    detector = network()
    detector.outputs = ("boxes", "scores")
    with pytest.raises(TrainingError, match="gives boxes, scores: only logits"):
        train(detector, LEARN, CHECK, tmp_path, RECIPE)
