"""Training of classifiers and embeddings as the paper does it (section 3.2), and distillation (sections 4.5 and 4.7).

RMSprop, no weight decay on depthwise filters, which have few weights, and the same settings whatever the size of the
network. A run is a folder: ``curve.csv`` has a line for each epoch, ``state.pt`` is what :func:`train` goes on from,
``weights.pt`` is the state dict that ``separable zoo --weights`` takes. The same seed gives the same weights.
"""

from __future__ import annotations

import csv
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from separable.zoo.dataset import Pictures
from separable.zoo.network import Network

_STATE, _WEIGHTS, _CURVE = "state.pt", "weights.pt", "curve.csv"
_COLUMNS = ("epoch", "learning_rate", "loss", "accuracy", "validation_accuracy")


class TrainingError(ValueError):
    """A run cannot be started or gone on with; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are those of TensorFlow's MobileNet; the paper names the method only.

    Attributes:
        epochs: passes over the pictures.
        batch: pictures of a step.
        learning_rate: of the first epoch.
        decay: factor of the learning rate after each epoch.
        smoothing: of RMSprop's mean of squares.
        momentum: of RMSprop.
        epsilon: of RMSprop; it is large, as in TensorFlow.
        weight_decay: of all filters but the depthwise ones; biases and batch normalisation have none either.
        flip: whether half of the pictures are mirrored.
        shift: most pixels that a picture is moved by; the paper's small networks need little augmentation.
        temperature: of the soft targets of distillation (Hinton et al., 2015).
        teacher_share: part of the loss that the teacher gives, 0 to 1; the labels give the rest.
        seed: of the order of the pictures and of the augmentation.
    """

    epochs: int = 30
    batch: int = 64
    learning_rate: float = 0.045
    decay: float = 0.94
    smoothing: float = 0.9
    momentum: float = 0.9
    epsilon: float = 1.0
    weight_decay: float = 4e-5
    flip: bool = False
    shift: int = 0
    temperature: float = 4.0
    teacher_share: float = 0.9
    seed: int = 0


def train(
    network: Network,
    pictures: Pictures,
    validation: Pictures,
    folder: Path,
    recipe: Recipe | None = None,
    *,
    teacher: nn.Module | None = None,
    note: Callable[[dict[str, float]], None] = lambda line: None,
) -> float:
    """Train ``network``, or go on with the run in ``folder`` where it stopped.

    Args:
        network: gives logits [n, classes], or embeddings if its output is named so; these need a teacher.
        pictures: what it learns from.
        validation: what its accuracy is measured on after each epoch.
        folder: of the run; made if it is not there.
        recipe: how to train; the default is ``Recipe()``.
        teacher: a trained network of the same outputs. A classifier learns its soft targets beside the labels, an
            embedding the squared difference to the teacher's.
        note: is called with each line of the curve.

    Returns:
        The validation accuracy of the last epoch; for embeddings the negative mean squared difference.

    Raises:
        TrainingError: the folder holds a run of another network or recipe, or an embedding has no teacher.
        OSError: the folder cannot be written.
    """
    recipe = recipe or Recipe()
    embedding = "embedding" in network.outputs
    if embedding and teacher is None:
        raise TrainingError("an embedding is learnt from a teacher: give one")
    if teacher is not None:
        teacher.eval()
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = make_optimizer(network, recipe)
    curve = _resume(network, optimizer, folder, recipe)
    for epoch in range(len(curve), recipe.epochs):
        rate = recipe.learning_rate * recipe.decay**epoch
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, accuracy = _epoch(network, optimizer, pictures, recipe, epoch, teacher, embedding)
        scores = (rate, loss, accuracy, _validate(network, validation, teacher if embedding else None))
        curve.append(dict(zip(_COLUMNS, (epoch + 1, *scores), strict=True)))
        _save(network, optimizer, folder, recipe, curve)
        note(curve[-1])
    network.eval()
    return curve[-1]["validation_accuracy"] if curve else float("nan")


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.RMSprop:
    """RMSprop that lets weights decay in full convolutions and linear layers only."""
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            filters = name == "weight" and isinstance(module, nn.Conv2d | nn.Linear)
            depthwise = isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
            (decaying if filters and not depthwise else others).append(parameter)
    groups = [{"params": decaying, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.RMSprop(
        groups, lr=recipe.learning_rate, alpha=recipe.smoothing, eps=recipe.epsilon, momentum=recipe.momentum
    )


def distillation_loss(
    logits: torch.Tensor, soft_targets: torch.Tensor, labels: torch.Tensor, recipe: Recipe
) -> torch.Tensor:
    """Cross entropy with the teacher's softened classes and with the labels, by their shares.

    Args:
        logits: of the student, [n, classes].
        soft_targets: logits of the teacher, [n, classes].
        labels: int64 [n].
        recipe: temperature and shares.
    """
    t = recipe.temperature
    soft = functional.cross_entropy(logits / t, functional.softmax(soft_targets / t, dim=1)) * t**2
    hard = functional.cross_entropy(logits, labels)
    return recipe.teacher_share * soft + (1 - recipe.teacher_share) * hard


def _epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    pictures: Pictures,
    recipe: Recipe,
    epoch: int,
    teacher: nn.Module | None,
    embedding: bool,
) -> tuple[float, float]:
    """Loss and accuracy over all pictures."""
    network.train()
    order = np.random.default_rng((recipe.seed, epoch))
    total = correct = count = 0.0
    for x, labels in _batches(pictures, recipe, order):
        outputs = network(x)
        if teacher is None:
            loss = functional.cross_entropy(outputs, labels)
        else:
            with torch.no_grad():
                targets = teacher(x)
            loss = (
                functional.mse_loss(outputs, targets)
                if embedding
                else distillation_loss(outputs, targets, labels, recipe)
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach()) * len(x)
        correct += 0 if embedding else int((outputs.argmax(dim=1) == labels).sum())
        count += len(x)
    return total / count, correct / count


def _batches(
    pictures: Pictures, recipe: Recipe, order: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    shuffled = order.permutation(len(pictures))
    # Batch normalisation needs two pictures at least: a last one alone joins the batch before.
    starts = list(range(0, len(shuffled), recipe.batch))
    if len(starts) > 1 and len(shuffled) - starts[-1] == 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], len(shuffled)], strict=True):
        x, labels = pictures.batch(shuffled[start:end])
        yield torch.from_numpy(_augment(x, recipe, order)), torch.from_numpy(labels)


def _augment(x: np.ndarray, recipe: Recipe, order: np.random.Generator) -> np.ndarray:
    if recipe.flip:
        mirrored = order.random(len(x)) < 0.5
        x[mirrored] = x[mirrored][..., ::-1]
    if recipe.shift:
        for picture, (down, right) in zip(x, order.integers(-recipe.shift, recipe.shift + 1, (len(x), 2)), strict=True):
            picture[:] = np.roll(picture, (down, right), axis=(1, 2))
    return x


def _validate(network: Network, pictures: Pictures, teacher: nn.Module | None) -> float:
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(pictures), 256):
            x, labels = pictures.batch(np.arange(start, min(start + 256, len(pictures))))
            outputs = network(torch.from_numpy(x))
            if teacher is None:
                total += int((outputs.argmax(dim=1) == torch.from_numpy(labels)).sum())
            else:
                total -= float(functional.mse_loss(outputs, teacher(torch.from_numpy(x)))) * len(x)
    return total / len(pictures)


def _resume(network: Network, optimizer: torch.optim.Optimizer, folder: Path, recipe: Recipe) -> list[dict[str, float]]:
    path = folder / _STATE
    if not path.exists():
        return []
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        settings = state["recipe"]
        same = state["network"] == network.name and {**settings, "epochs": 0} == {**asdict(recipe), "epochs": 0}
        if not same:
            raise TrainingError(f"{folder} holds a run of {state['network']} with {settings}: choose another folder")
        network.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path} is no state of a run of this network: remove it or choose another folder"
        ) from error
    return list(state["curve"])


def _save(
    network: Network, optimizer: torch.optim.Optimizer, folder: Path, recipe: Recipe, curve: list[dict[str, float]]
) -> None:
    state = {
        "network": network.name,
        "recipe": asdict(recipe),
        "weights": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "curve": curve,
    }
    _replace(folder / _STATE, lambda path: torch.save(state, path))
    _replace(folder / _WEIGHTS, lambda path: torch.save(network.state_dict(), path))
    _replace(folder / _CURVE, lambda path: _write_curve(path, curve))


def _write_curve(path: Path, curve: list[dict[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(curve)


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write beside the file and rename: an interrupted run leaves what was there before."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".train.") as folder:
        write(Path(folder) / path.name)
        os.replace(Path(folder) / path.name, path)
