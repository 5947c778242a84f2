"""Compile one kernel for this machine and run it on numpy arrays."""

from __future__ import annotations

import ctypes
import itertools
import tempfile
from pathlib import Path

import numpy as np
import tvm

from separable.compiler.emit.kernel import build_object, lower_kernel
from separable.schedules.kernel import Array, Kernel
from separable.schedules.tensor import Blocked, Tensor
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.toolchain import compile_and_link

_SLACK = 4096
_serial = itertools.count()


def to_blocked(image: Array, tensor: Blocked) -> Array:
    """[C, H, W] -> the buffer of ``tensor``; lanes beyond the channels hold NaN, the halo zeros."""
    halo = tensor.halo
    buffer = np.zeros(tensor.shape, np.float32)
    filled = np.full((tensor.blocks * tensor.lanes, tensor.height, tensor.width), np.nan, np.float32)
    filled[: tensor.channels] = image
    blocks = filled.reshape(tensor.blocks, tensor.lanes, tensor.height, tensor.width).transpose(0, 2, 3, 1)
    buffer[:, halo.top : halo.top + tensor.height, halo.left : halo.left + tensor.width] = blocks
    return buffer


def from_blocked(buffer: Array, tensor: Blocked) -> Array:
    """The buffer of ``tensor`` -> [C, H, W]."""
    halo = tensor.halo
    inner = buffer[:, halo.top : halo.top + tensor.height, halo.left : halo.left + tensor.width]
    image = inner.transpose(0, 3, 1, 2).reshape(-1, tensor.height, tensor.width)
    return np.ascontiguousarray(image[: tensor.channels])


def to_buffer(image: Array, tensor: Tensor) -> Array:
    """An array as the kernel expects it."""
    return to_blocked(image, tensor) if isinstance(tensor, Blocked) else np.ascontiguousarray(image)


def _aligned(array: Array) -> Array:
    """A copy at a 64-byte boundary with slack behind it, as the arena has."""
    raw = np.zeros(array.nbytes + _SLACK + 64, np.uint8)
    start = -raw.ctypes.data % 64
    view = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


class CompiledKernel:
    """A kernel that was compiled and loaded."""

    def __init__(self, kernel: Kernel, target: Target | None = None) -> None:
        target = target or detect_host()
        name = f"kernel_{next(_serial)}"
        self.kernel = kernel
        llvm = tvm.target.Target(dict(target.tvm))
        self.lowered = lower_kernel(kernel.func, name, kernel.output_shape, kernel.store_at, llvm)
        with tempfile.TemporaryDirectory() as folder:
            obj, library = Path(folder) / "kernel.o", Path(folder) / f"{name}.so"
            build_object([self.lowered], llvm, str(obj))
            compile_and_link(library, target=target, objects=[obj], flags=["-shared", "-lm"])
            self.function = getattr(ctypes.CDLL(str(library)), name)
        self.scratch = _aligned(np.zeros(max(self.lowered.scratch_bytes, 1), np.uint8))

    def prepare(self, buffers: list[Array]) -> tuple[list[ctypes.c_void_p], Array]:
        """Copy inputs to aligned memory; return the argument pointers and the output buffer, filled with NaN."""
        self.buffers = [_aligned(buffer) for buffer in buffers]
        output = _aligned(np.full(self.kernel.output_shape, np.nan, np.float32))
        pointers = [ctypes.c_void_p(buffer.ctypes.data) for buffer in (*self.buffers, output, self.scratch)]
        return pointers, output

    def __call__(self, buffers: list[Array], pieces: int = 1) -> Array:
        """Run on ``buffers`` (inputs in order), the items split into ``pieces`` calls in reverse order."""
        pointers, output = self.prepare(buffers)
        bounds = np.linspace(0, self.lowered.extent, min(pieces, self.lowered.extent) + 1).astype(int)
        for begin, end in reversed(list(itertools.pairwise(bounds.tolist()))):
            self.function(*pointers, begin, end)
        for written in (output, self.scratch):
            raw = written.base
            while raw.base is not None:
                raw = raw.base
            behind = written.ctypes.data + written.nbytes - raw.ctypes.data
            assert not raw[behind:].any(), "the kernel wrote beyond its buffer"
        return output
