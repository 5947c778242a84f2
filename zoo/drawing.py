"""Random weights that behave like trained ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn
from torch.nn import functional

from separable.zoo.network import Calibration, Network
from separable.zoo.trace import trace

_ACTIVATION_SPREAD = 1.0
_LEAST_PIXELS = 8

_Weighted = nn.Conv2d | nn.Linear


def draw_weights(network: Network, seed: int) -> None:
    """Fill ``network`` with random weights that behave like trained ones: no layer dies out or blows up.

    Filters are drawn as He et al. propose. The statistics of batch normalisation are measured, layer by layer, on
    random pictures and then disturbed, as those of a trained network never fit one batch exactly; its scale and shift
    are random. A layer without batch normalisation is scaled to what it should give on these pictures: an activation
    to a deviation of one, logits (what no activation follows) to values that differ from picture to picture.

    The same seed gives the same bits on every CPU: random numbers come from numpy, and what is measured (in double
    precision) is rounded to half precision, far coarser than the differences between CPUs.
    """
    random = np.random.default_rng(seed)
    network.double().eval()
    with torch.no_grad():
        _Drawing(trace(network), random, network.calibration.spread).run(_random_pictures(network.calibration, random))
    network.float()


class _Drawing(fx.Interpreter):
    """Runs the network and fills each layer just before it is needed."""

    def __init__(self, traced: fx.GraphModule, random: np.random.Generator, logit_spread: float) -> None:
        super().__init__(traced)
        self._random = random
        self._logit_spread = logit_spread
        self._step: fx.Node | None = None
        self._undrawn = sum(isinstance(module, _Weighted | nn.BatchNorm2d) for module in traced.modules())

    def run_node(self, n: fx.Node) -> Any:
        self._step = n
        # What comes after the last layer needs no weights.
        return super().run_node(n) if self._undrawn or n.op == "output" else None

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, _Weighted):
            self._draw(module, args[0])
            self._undrawn -= 1
        elif isinstance(module, nn.BatchNorm2d):
            _fit_batch_norm(module, args[0], self._random)
            self._undrawn -= 1
        return super().call_module(target, args, kwargs)

    def _draw(self, layer: _Weighted, x: torch.Tensor) -> None:
        assert self._step is not None
        followers = [self.fetch_attr(str(user.target)) for user in self._step.users if user.op == "call_module"]
        if any(isinstance(follower, nn.BatchNorm2d) for follower in followers):
            _draw_filters(layer, self._random)
        elif any(isinstance(follower, nn.ReLU | nn.ReLU6 | _Weighted) for follower in followers):
            _draw_filters(layer, self._random)
            _fit_activation(layer, x, self._random)
        else:
            _fit_logits(layer, x, self._logit_spread, self._random)


def _random_pictures(calibration: Calibration, random: np.random.Generator) -> torch.Tensor:
    """Pictures [n, 3, size, size] in [-1, 1] with detail at every scale, as photos have; the last ones are noise."""
    pictures = np.zeros((calibration.pictures, 3, calibration.size, calibration.size))
    for cells in (1, 2, 4, 8, 16, 32, 64):
        noise = random.standard_normal((calibration.pictures, 3, cells, cells)) / cells**0.5
        cell = np.arange(calibration.size) * cells // calibration.size
        pictures += noise[:, :, cell[:, None], cell]
    pictures = np.clip(pictures, -1, 1)
    if calibration.noise:
        pictures[-calibration.noise :] = random.standard_normal(pictures[-calibration.noise :].shape)
    return torch.from_numpy(pictures)


def _draw_filters(layer: _Weighted, random: np.random.Generator) -> None:
    fan_in = layer.weight[0].numel()
    _assign(layer.weight, random.standard_normal(layer.weight.shape) * (2 / fan_in) ** 0.5)


def _fit_batch_norm(bn: nn.BatchNorm2d, activation: torch.Tensor, random: np.random.Generator) -> None:
    channels = activation.shape[1]
    # Too few pixels tell nothing of their channel: each takes what all channels have together.
    measured = activation if activation[:, 0].numel() >= _LEAST_PIXELS else activation.reshape(1, 1, 1, -1)
    mean = measured.mean(dim=(0, 2, 3)).numpy()
    variance = measured.var(dim=(0, 2, 3)).numpy()
    _assign(bn.running_mean, _coarse(mean) + _coarse(0.1 * variance**0.5) * random.standard_normal(channels))
    _assign(bn.running_var, _coarse(variance) * random.uniform(0.8, 1.25, channels))
    _assign(bn.weight, random.uniform(0.6, 1.4, channels))
    _assign(bn.bias, 0.3 * random.standard_normal(channels))


def _fit_activation(layer: _Weighted, x: torch.Tensor, random: np.random.Generator) -> None:
    spread = _without_bias(layer, x).std().numpy()
    _assign(layer.weight, layer.weight.numpy() * (_ACTIVATION_SPREAD / _coarse(spread)))
    if layer.bias is not None:
        _assign(layer.bias, 0.3 * random.standard_normal(layer.weight.shape[0]))


def _fit_logits(layer: _Weighted, x: torch.Tensor, wanted: float, random: np.random.Generator) -> None:
    """The layer's input is centred by its bias, so that logits tell what differs between pictures."""
    axes = [axis for axis in range(x.ndim) if axis != 1 or x[:, 0].numel() < _LEAST_PIXELS]
    mean = x.mean(dim=axes, keepdim=True).expand(1, x.shape[1], *[1] * (x.ndim - 2))
    weight = random.standard_normal(layer.weight.shape)
    _assign(layer.weight, weight)
    spread = _without_bias(layer, x - mean).std().numpy()
    weight *= wanted / _coarse(spread)
    _assign(layer.weight, weight)
    offset = _coarse(mean.numpy().reshape(-1))
    through = weight.reshape(*weight.shape[:2], -1).sum(axis=2) @ offset
    _assign(layer.bias, 0.5 * random.standard_normal(weight.shape[0]) - through)


def _without_bias(layer: _Weighted, x: torch.Tensor) -> torch.Tensor:
    if isinstance(layer, nn.Linear):
        return functional.linear(x, layer.weight)
    return functional.conv2d(x, layer.weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)


def _coarse(measured: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(measured, dtype=np.float16).astype(np.float64)


def _assign(parameter: torch.Tensor | None, values: npt.NDArray[np.float64]) -> None:
    assert parameter is not None
    # Through single precision, which is what the network will keep.
    parameter.copy_(torch.from_numpy(values.astype(np.float32)))
