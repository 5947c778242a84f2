"""Weights for a network: drawn from a seed, or read from a file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from separable.zoo.mobilenet_v1 import MobileNetV1Network

# Pictures that batch normalisation is fitted to. Their size is fixed, so that the weights of one alpha are the same at
# every resolution.
_PICTURES, _PICTURE_SIZE = 8, 128
_LOGIT_SPREAD = 2.5
_SHOWN_NAMES = 8


class WeightsError(ValueError):
    """A file of weights does not fit the network; the message names the entries."""


def draw_weights(network: MobileNetV1Network, seed: int) -> None:
    """Fill ``network`` with random weights that behave like trained ones: no layer dies out or blows up.

    Filters are drawn as He et al. propose. The statistics of batch normalisation are measured, layer by layer, on
    random pictures and then disturbed, as those of a trained network never fit one batch exactly; its scale and shift
    are random. The classifier is scaled to logits that differ from picture to picture.

    The same seed gives the same bits on every CPU: random numbers come from numpy, and what is measured (in double
    precision) is rounded to half precision, far coarser than the differences between CPUs.
    """
    random = np.random.default_rng(seed)
    network.double().eval()
    with torch.no_grad():
        activation = _random_pictures(random)
        for _, block in network.blocks():
            _draw_convolution(block.conv, random)
            _fit_batch_norm(block.bn, block.conv(activation), random)
            activation = block(activation)
        _fit_classifier(network.classifier, activation.mean(dim=(2, 3)), random)
    network.float()


def load_weights(network: MobileNetV1Network, path: Path) -> None:
    """Fill ``network`` from a state dict that ``torch.save`` wrote; nothing in the file is executed.

    Raises:
        WeightsError: the file is no state dict, or its names or shapes are not those of the network.
        OSError: the file cannot be read.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        # Not torch's own message, which advises to load the file with its code enabled.
        raise WeightsError(
            f"{path} is no state dict of torch with tensors only; write one with torch.save(net.state_dict(), ...)"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(
            f"{path} holds no state dict: expected tensors by name, as torch.save(net.state_dict()) writes"
        )
    _check_fit(path, state, network.state_dict())
    network.load_state_dict(dict(state), strict=False)
    network.eval()


def _check_fit(path: Path, given: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    # The counters of training steps are no part of what is computed.
    needed = {name for name in wanted if not name.endswith("num_batches_tracked")}
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    problems = [
        f"{label}: {_shorten(names)}"
        for label, names in (
            ("missing", sorted(needed - given.keys())),
            ("unknown", sorted(given.keys() - wanted.keys())),
            ("wrong shape", shapes),
        )
        if names
    ]
    if problems:
        raise WeightsError(f"{path} does not fit the network; " + "; ".join(problems))


def _shorten(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _random_pictures(random: np.random.Generator) -> torch.Tensor:
    """Pictures [n, 3, size, size] in [-1, 1] with detail at every scale, as photos have."""
    pictures = np.zeros((_PICTURES, 3, _PICTURE_SIZE, _PICTURE_SIZE))
    for cells in (1, 2, 4, 8, 16, 32, 64):
        noise = random.standard_normal((_PICTURES, 3, cells, cells)) / cells**0.5
        pictures += noise.repeat(_PICTURE_SIZE // cells, axis=2).repeat(_PICTURE_SIZE // cells, axis=3)
    return torch.from_numpy(np.clip(pictures, -1, 1))


def _draw_convolution(conv: nn.Conv2d, random: np.random.Generator) -> None:
    fan_in = conv.weight[0].numel()
    _assign(conv.weight, random.standard_normal(conv.weight.shape) * (2 / fan_in) ** 0.5)


def _fit_batch_norm(bn: nn.BatchNorm2d, activation: torch.Tensor, random: np.random.Generator) -> None:
    channels = activation.shape[1]
    mean = activation.mean(dim=(0, 2, 3)).numpy()
    variance = activation.var(dim=(0, 2, 3)).numpy()
    _assign(bn.running_mean, _coarse(mean) + _coarse(0.1 * variance**0.5) * random.standard_normal(channels))
    _assign(bn.running_var, _coarse(variance) * random.uniform(0.8, 1.25, channels))
    _assign(bn.weight, random.uniform(0.6, 1.4, channels))
    _assign(bn.bias, 0.3 * random.standard_normal(channels))


def _fit_classifier(classifier: nn.Linear, features: torch.Tensor, random: np.random.Generator) -> None:
    centred = features - features.mean(dim=0)
    weight = random.standard_normal(classifier.weight.shape)
    spread = (centred @ torch.from_numpy(weight).T).std().numpy()
    weight *= _LOGIT_SPREAD / _coarse(spread)
    _assign(classifier.weight, weight)
    offset = _coarse(features.mean(dim=0).numpy())
    _assign(classifier.bias, 0.5 * random.standard_normal(classifier.out_features) - weight @ offset)


def _coarse(measured: np.ndarray) -> np.ndarray:
    return np.asarray(measured, dtype=np.float16).astype(np.float64)


def _assign(parameter: torch.Tensor | None, values: np.ndarray) -> None:
    assert parameter is not None
    # Through single precision, which is what the network will keep.
    parameter.copy_(torch.from_numpy(values.astype(np.float32)))
