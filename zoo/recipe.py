"""The paper's recipe: RMSprop, no weight decay on depthwise filters, the same settings for every size; and losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are those of TensorFlow's MobileNet; the paper names the method only.

    Attributes:
        epochs: passes over the pictures.
        batch: pictures of a step, 2 at least; what would be left over is spread over the steps.
        learning_rate: of the first epoch.
        decay: factor of the learning rate after each epoch.
        smoothing: of RMSprop's mean of squares.
        momentum: of RMSprop.
        epsilon: of RMSprop; it is large, as in TensorFlow.
        weight_decay: of all filters but the depthwise ones; biases and batch normalisation have none either.
        flip: whether half of the pictures are mirrored.
        shift: most pixels that a picture is moved by, its edge drawn out; the paper's small networks need little
            augmentation.
        temperature: of the soft targets of distillation (Hinton et al., 2015).
        teacher_share: part of the loss that the teacher gives, 0 to 1; the labels give the rest.
        seed: of the order of the pictures, the augmentation and dropout.
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
    """The divergence from the teacher's softened classes and the cross entropy with the labels, by their shares.

    The first is multiplied by the square of the temperature, which its gradients shrink by (Hinton et al., 2015).

    Args:
        logits: of the student, [n, classes].
        soft_targets: logits of the teacher, [n, classes].
        labels: int64 [n].
        recipe: temperature and shares.
    """
    t = recipe.temperature
    student, teacher = functional.log_softmax(logits / t, dim=1), functional.log_softmax(soft_targets / t, dim=1)
    soft = functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * t**2
    hard = functional.cross_entropy(logits, labels)
    return recipe.teacher_share * soft + (1 - recipe.teacher_share) * hard


def embedding_loss(embeddings: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The squared distance of a student's embeddings [n, k] to its teacher's, as a mean over the pictures."""
    return (embeddings - targets).square().sum(dim=1).mean()
