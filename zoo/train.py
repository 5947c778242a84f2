"""Training as the paper does it (section 3.2), and distillation of classifiers, attributes and embeddings (4.5, 4.7).

RMSprop, no weight decay on depthwise filters, which have few weights, and the same settings whatever the size of the
network. A run is a folder: ``curve.csv`` has a line for each epoch, ``state.pt`` is what :func:`train` goes on from,
``weights.pt`` is the state dict that ``separable zoo --weights`` takes. The same seed gives the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from separable.zoo.dataset import Pictures
from separable.zoo.network import Network
from separable.zoo.recipe import Recipe, distillation_loss, embedding_loss, make_optimizer
from separable.zoo.run_folder import RunFolder, TrainingError


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
        network: its output's name says what it learns: ``logits`` [n, classes], ``probabilities`` of independent
            attributes [n, attributes] or an ``embedding`` [n, k]; the last two learn from a teacher alone. It starts
            with the weights that it has: drawn ones, or a checkpoint's that is to be fine-tuned.
        pictures: what it learns from.
        validation: what its accuracy is measured on after each epoch.
        folder: of the run; made if it is not there.
        recipe: how to train; the default is ``Recipe()``.
        teacher: a trained network of the same outputs. A classifier learns its soft targets beside the labels,
            attributes its probabilities, an embedding the squared distance to the teacher's.
        note: is called with each line of the curve.

    Returns:
        The validation accuracy of the last epoch; without classes the negative loss on the validation pictures.

    Raises:
        TrainingError: the folder holds a run of another network, recipe or teacher, or on other pictures; or the
            network is none that learns so.
        OSError: the folder cannot be written.
    """
    recipe = recipe or Recipe()
    _check(network, pictures, validation, teacher)
    if teacher is not None:
        teacher.eval()
    optimizer = make_optimizer(network, recipe)
    run = RunFolder(folder, network, recipe, pictures, teacher)
    run.resume(optimizer)
    for epoch in range(len(run.curve), recipe.epochs):
        rate = recipe.learning_rate * recipe.decay**epoch
        for group in optimizer.param_groups:
            group["lr"] = rate
        random = np.random.default_rng((recipe.seed, epoch))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random.integers(1 << 31)))  # of dropout
            loss, accuracy = _epoch(network, optimizer, pictures, recipe, random, teacher)
        score = _validate(network, validation, recipe, teacher)
        note(run.save(optimizer, (epoch + 1, rate, loss, accuracy, score)))
    network.eval()
    return run.curve[-1]["validation_accuracy"] if run.curve else float("nan")


def _check(network: Network, pictures: Pictures, validation: Pictures, teacher: nn.Module | None) -> None:
    if network.outputs not in (("logits",), ("probabilities",), ("embedding",)):
        raise TrainingError(
            f"{network.name} gives {', '.join(network.outputs)}: only logits, probabilities or an embedding are learnt"
        )
    if teacher is None and network.outputs != ("logits",):
        raise TrainingError(f"the {network.outputs[0]} of {network.name} are learnt from a teacher: give one")
    if len(pictures) < 2 or len(validation) == 0:
        raise TrainingError(
            f"{len(pictures)} pictures and {len(validation)} to validate on: two and one are needed at least"
        )


def _loss(
    network: Network, x: torch.Tensor, labels: torch.Tensor, recipe: Recipe, teacher: nn.Module | None
) -> tuple[torch.Tensor, int]:
    """The loss, and how many pictures are classified as their labels say."""
    outputs = network(x)
    correct = int((outputs.argmax(dim=1) == labels).sum()) if network.outputs == ("logits",) else 0
    if teacher is None:
        return functional.cross_entropy(outputs, labels), correct
    with torch.no_grad():
        targets = teacher(x)
    if network.outputs == ("embedding",):
        return embedding_loss(outputs, targets), correct
    if network.outputs == ("probabilities",):
        return functional.binary_cross_entropy(outputs, targets), correct
    return distillation_loss(outputs, targets, labels, recipe), correct


def _epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    pictures: Pictures,
    recipe: Recipe,
    random: np.random.Generator,
    teacher: nn.Module | None,
) -> tuple[float, float]:
    """Loss and accuracy over all pictures."""
    network.train()
    total = correct = 0.0
    for x, labels in make_batches(pictures, recipe, random):
        loss, right = _loss(network, x, labels, recipe, teacher)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach()) * len(x)
        correct += right
    return total / len(pictures), correct / len(pictures)


def make_batches(
    pictures: Pictures, recipe: Recipe, random: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Every picture once in a random order, augmented, as float32 [n, 3, height, width] and labels int64 [n]."""
    shuffled = random.permutation(len(pictures))
    # Of equal size, but for one picture: the statistics of a few that are left over would undo what was learnt.
    for numbers in np.array_split(shuffled, max(1, len(shuffled) // recipe.batch)):
        x, labels = pictures.batch(numbers)
        yield _to_torch(augment(x, recipe, random), labels)


def _to_torch(x: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    # Not channels_last, though it takes half the time: gradients were off by 2 % with it (torch 2.13, AVX-512), where
    # they are off by 1e-5 without.
    return torch.from_numpy(x), torch.from_numpy(labels)


def augment(x: np.ndarray, recipe: Recipe, random: np.random.Generator) -> np.ndarray:
    """Mirror and move pictures float32 [n, 3, height, width] as the recipe says; the array is changed."""
    if recipe.flip:
        mirrored = random.random(len(x)) < 0.5
        x[mirrored] = x[mirrored][..., ::-1]
    if recipe.shift:
        height, width = x.shape[2:]
        wide = np.pad(x, [(0, 0), (0, 0), *[(recipe.shift, recipe.shift)] * 2], mode="edge")
        corners = random.integers(0, 2 * recipe.shift + 1, (len(x), 2))
        for picture, source, (top, left) in zip(x, wide, corners, strict=True):
            picture[:] = source[:, top : top + height, left : left + width]
    return x


def _validate(network: Network, pictures: Pictures, recipe: Recipe, teacher: nn.Module | None) -> float:
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(pictures), 256):
            x, labels = _to_torch(*pictures.batch(np.arange(start, min(start + 256, len(pictures)))))
            loss, right = _loss(network, x, labels, recipe, teacher)
            total += right if network.outputs == ("logits",) else -float(loss) * len(x)
    return total / len(pictures)
