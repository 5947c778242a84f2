"""What every kind of kernel computes, in float64 and without any tricks. Images are [C, H, W]."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from separable.schedules.workload import Window

Image = NDArray[np.float64]


def _sigmoid(x: Image) -> Image:
    return np.asarray(1 / (1 + np.exp(-x)))


ACTIVATIONS: dict[str, Callable[..., Image]] = {
    "relu": lambda x: np.maximum(x, 0),
    "clip": lambda x, low, high: np.clip(x, low, high),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, x * slope),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "silu": lambda x: x * _sigmoid(x),
    "hard_sigmoid": lambda x, slope, offset: np.clip(x * slope + offset, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "negative": np.negative,
}


def taps(x: Image, window: Window, height: int, width: int, fill: float) -> Image:
    """The pixels under each tap of a window, [kh, kw, C, height, width]; ``fill`` outside of the image."""
    (kh, kw), (sy, sx), (dy, dx) = window.size, window.stride, window.dilation
    after = [
        max(0, window.reach(axis, n) - window.pad[axis] - x.shape[axis + 1]) for axis, n in ((0, height), (1, width))
    ]
    padded = np.pad(x, ((0, 0), (window.pad[0], after[0]), (window.pad[1], after[1])), constant_values=fill)
    return np.array(
        [[padded[:, ky * dy :: sy, kx * dx :: sx][:, :height, :width] for kx in range(kw)] for ky in range(kh)]
    )


def conv(x: Image, weight: Image, bias: Image, window: Window, groups: int, height: int, width: int) -> Image:
    """Weights [out, in / groups, kh, kw]."""
    pixels = taps(x, window, height, width, 0.0)
    kh, kw = window.size
    pixels = pixels.reshape(kh, kw, groups, -1, height * width)
    filters = weight.reshape(groups, -1, weight.shape[1], kh, kw)
    product = np.einsum("yxgip,goiyx->gop", pixels, filters)
    return np.asarray(product.reshape(-1, height, width) + bias[:, None, None])


def pool(x: Image, kind: str, window: Window, height: int, width: int, count_include_pad: bool) -> Image:
    if kind == "max":
        return np.asarray(taps(x, window, height, width, -math.inf).max(axis=(0, 1)))
    total = taps(x, window, height, width, 0.0).sum(axis=(0, 1))
    if count_include_pad:
        return np.asarray(total / math.prod(window.size))
    return np.asarray(total / taps(np.ones_like(x), window, height, width, 0.0).sum(axis=(0, 1)))


def softmax(x: Image) -> Image:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))
