"""What a workload computes, in float64 by numpy: what a candidate's output is compared with. Images are [C, H, W]."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from separable.schedules.epilogue import Epilogue
from separable.schedules.tensor import Blocked, Plain, Tensor
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise, Window, Workload

Exact: TypeAlias = NDArray[np.float64]
Single: TypeAlias = NDArray[np.float32]

_ACTIVATIONS: Mapping[str, Callable[..., Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "clip": np.clip,
    "leaky_relu": lambda x, slope: np.where(x > 0, x, x * slope),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x, slope, offset: np.clip(x * slope + offset, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "negative": np.negative,
}


def random_image(tensor: Tensor, random: np.random.Generator) -> Single:
    """Numbers of [-1, 1) in the shape of a tensor, [C, H, W] for an image."""
    return random.uniform(-1, 1, _image_shape(tensor)).astype(np.float32)


def random_constants(w: Workload, random: np.random.Generator) -> list[Single]:
    """Weights and biases as ``registry.pack_constants`` takes them, scaled so that sums stay around 1."""

    def filters(*shape: int) -> Single:
        scale = math.sqrt(3 / math.prod(shape[1:]))
        return (random.uniform(-1, 1, shape) * scale).astype(np.float32)

    def bias(channels: int) -> Single:
        return random.uniform(-0.5, 0.5, channels).astype(np.float32)

    match w:
        case Conv():
            channels = w.y.channels
            return [filters(channels, w.in_channels // w.groups, *w.window.size), bias(channels)]
        case Depthwise():
            return [filters(w.y.channels, 1, *w.window.size), bias(w.y.channels)]
        case DepthwisePointwise():
            return [*random_constants(w.depthwise, random), *random_constants(w.pointwise, random)]
        case Dense():
            return [np.ascontiguousarray(filters(w.y.shape[-1], w.x.shape[-1]).T), bias(w.y.shape[-1])]
        case _:
            raise TypeError(f"{type(w).__name__} has no weights of its own")


def expected_output(w: Workload, x: Single, constants: Sequence[Single], residual: Single | None) -> Exact:
    """The output of a workload: [C, H, W], or the matrix of a dense layer."""
    weight, bias = (np.asarray(constant, np.float64) for constant in constants[:2])
    match w:
        case Conv():
            sums = _convolve(np.asarray(x, np.float64), weight, w.window, w.groups, w.y)
            return _finish(sums + bias[:, None, None], w.epilogue, residual)
        case Depthwise():
            sums = _convolve(np.asarray(x, np.float64), weight, w.window, w.y.channels, w.y)
            return _finish(sums + bias[:, None, None], w.epilogue, residual)
        case DepthwisePointwise():
            between = expected_output(w.depthwise, x, constants[:2], None)
            return expected_output(w.pointwise, between.astype(np.float32), constants[2:], residual)
        case Dense():
            return _finish(np.asarray(x, np.float64) @ weight + bias, w.epilogue, residual)
        case _:
            raise TypeError(f"{type(w).__name__} has no reference")


def to_buffer(image: NDArray[Any], tensor: Tensor, fill: float, halo: float) -> Single:
    """An image as it lies in memory; lanes beyond the channels hold ``fill``, the border ``halo``."""
    if isinstance(tensor, Plain):
        return np.ascontiguousarray(image, np.float32).reshape(tensor.shape)
    buffer = np.full(tensor.shape, halo, np.float32)
    filled = np.full((tensor.blocks * tensor.lanes, tensor.height, tensor.width), fill, np.float32)
    filled[: tensor.channels] = image
    blocks = filled.reshape(tensor.blocks, tensor.lanes, tensor.height, tensor.width).transpose(0, 2, 3, 1)
    top, left = tensor.halo.top, tensor.halo.left
    buffer[:, top : top + tensor.height, left : left + tensor.width] = blocks
    return buffer


def _image_shape(tensor: Tensor) -> tuple[int, ...]:
    if isinstance(tensor, Blocked):
        return tensor.channels, tensor.height, tensor.width
    return tensor.shape[1:] if len(tensor.shape) == 4 else (math.prod(tensor.shape[:-1]), tensor.shape[-1])


def _convolve(x: Exact, weight: Exact, window: Window, groups: int, y: Blocked) -> Exact:
    """One product of matrices a tap. Weights are [out, in / groups, kh, kw]."""
    (sy, sx), (dy, dx) = window.stride, window.dilation
    sizes = [window.reach(0, y.height), window.reach(1, y.width)]
    after = [max(0, sizes[axis] - window.pad[axis] - x.shape[axis + 1]) for axis in (0, 1)]
    padded = np.pad(x, ((0, 0), (window.pad[0], after[0]), (window.pad[1], after[1])))
    per_group = x.shape[0] // groups
    sums = np.zeros((groups, weight.shape[0] // groups, y.height * y.width))
    for ky in range(window.size[0]):
        for kx in range(window.size[1]):
            pixels = padded[:, ky * dy :: sy, kx * dx :: sx][:, : y.height, : y.width]
            filters = weight[:, :, ky, kx].reshape(groups, -1, per_group)
            sums += filters @ pixels.reshape(groups, per_group, -1)
    return sums.reshape(-1, y.height, y.width)


def _finish(sums: Exact, epilogue: Epilogue, residual: Single | None) -> Exact:
    value = sums if residual is None else sums + residual
    if epilogue.activation is None:
        return value
    with np.errstate(invalid="ignore"):
        return np.asarray(_ACTIVATIONS[epilogue.activation.name](value, *epilogue.activation.parameters))
