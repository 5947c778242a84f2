"""Compile one kernel for this machine and run it on numpy arrays in guarded memory."""

from __future__ import annotations

import ctypes
import functools
import itertools
import mmap
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from numpy.typing import NDArray

from separable.compiler.emit.kernel import LoweredKernel, lower_kernel
from separable.compiler.emit.object_file import build_object
from separable.schedules import registry
from separable.schedules.kernel import Array, Kernel
from separable.schedules.overread import overread_bytes
from separable.schedules.tensor import Blocked, Tensor
from separable.schedules.workload import Workload
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

AnyArray = NDArray[Any]

_MARGIN = 4096
_serial = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def runnable_targets() -> list[str]:
    """Names of the rows whose code this machine can run: its own, and the levels of x86-64 below it."""
    host = detect_host()
    levels = [find_target(name) for name in ("x86-64-v2", "x86-64-v3")]
    return ["native", *(row.name for row in levels if row.arch == host.arch and set(row.isa) <= set(host.isa))]


def to_blocked(image: AnyArray, tensor: Blocked) -> AnyArray:
    """[C, H, W] or several of them -> the buffer of ``tensor``; lanes beyond the channels hold NaN, the halo zeros."""
    if tensor.images > 1:
        alone = replace(tensor, images=1)
        return np.stack([to_blocked(one, alone) for one in image], axis=1).reshape(tensor.shape)
    halo = tensor.halo
    buffer = np.zeros(tensor.shape, tensor.dtype)
    filled = np.full((tensor.blocks * tensor.lanes, tensor.height, tensor.width), np.nan, tensor.dtype)
    filled[: tensor.channels] = image
    blocks = filled.reshape(tensor.blocks, tensor.lanes, tensor.height, tensor.width).transpose(0, 2, 3, 1)
    buffer[:, halo.top : halo.top + tensor.height, halo.left : halo.left + tensor.width] = blocks
    return buffer


def from_blocked(buffer: AnyArray, tensor: Blocked) -> AnyArray:
    """The buffer of ``tensor`` -> [C, H, W] or several of them."""
    if tensor.images > 1:
        alone = replace(tensor, images=1)
        planes = buffer.reshape(tensor.blocks, tensor.images, *tensor.shape[1:])
        return np.stack([from_blocked(planes[:, n], alone) for n in range(tensor.images)])
    halo = tensor.halo
    inner = buffer[:, halo.top : halo.top + tensor.height, halo.left : halo.left + tensor.width]
    image = inner.transpose(0, 3, 1, 2).reshape(-1, tensor.height, tensor.width)
    return np.ascontiguousarray(image[: tensor.channels])


def to_buffer(array: AnyArray, tensor: Tensor) -> AnyArray:
    """An array as the kernel expects it."""
    return to_blocked(array, tensor) if isinstance(tensor, Blocked) else np.ascontiguousarray(array)


def lower(kernel: Kernel, target: Target) -> tuple[LoweredKernel, tvm.target.Target]:
    """The kernel as a C function with a name of its own, and LLVM's target for it."""
    llvm = tvm.target.Target(dict(target.tvm))
    name = f"kernel_{next(_serial)}"
    return lower_kernel(kernel.func, name, kernel.output_shape, kernel.store_at, llvm), llvm


def _guarded(array: AnyArray, slack: int = 0) -> AnyArray:
    """A copy in memory of its own, an unreadable page ``slack`` bytes behind its end, bytes 0xff (NaN) around it."""
    size = -(-(_MARGIN + array.nbytes + slack) // mmap.PAGESIZE) * mmap.PAGESIZE
    region = mmap.mmap(-1, size + mmap.PAGESIZE)
    raw = np.frombuffer(region, np.uint8)
    raw[:] = 0xFF
    copy = raw[size - slack - array.nbytes : size - slack].view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert _libc.mprotect(ctypes.c_void_p(raw.ctypes.data + size), mmap.PAGESIZE, 0) == 0
    return copy


class _Output:
    """Memory for an output, or scratch, with margins that must not change."""

    def __init__(self, shape: Sequence[int], dtype: str) -> None:
        nbytes = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        self.raw = np.full(nbytes + 2 * _MARGIN, 0xFF, np.uint8)
        start = _MARGIN - self.raw.ctypes.data % 64
        self.array = self.raw[start : start + nbytes].view(dtype).reshape(shape)
        self.margins = (self.raw[:start], self.raw[start + nbytes :])

    def check(self) -> None:
        assert all((margin == 0xFF).all() for margin in self.margins), "the kernel wrote beyond its buffer"


class CompiledKernel:
    """A kernel that was compiled and loaded."""

    def __init__(self, kernel: Kernel, target: Target | None = None) -> None:
        target = target or detect_host()
        self.kernel = kernel
        self.dtype = str(kernel.func.params[-1].ty.dtype)
        self.lowered, _ = lower(kernel, target)
        with tempfile.TemporaryDirectory() as folder:
            obj, library = Path(folder) / "kernel.o", Path(folder) / "kernel.so"
            build_object([self.lowered], target, obj)
            compile_and_link(library, target=target, objects=[obj], flags=["-shared", "-lm"])
            name = str(self.lowered.func.attrs["global_symbol"])
            self.function = getattr(ctypes.CDLL(str(library)), name)

    def __call__(self, buffers: Sequence[AnyArray], pieces: int = 1, slack: int = 0) -> AnyArray:
        """Run the items in ``pieces`` calls, the last items first.

        Args:
            buffers: the inputs in order.
            pieces: how many calls the items are split into.
            slack: how many bytes beyond its end each input may be read.

        Returns:
            The output buffer; what the kernel did not write is NaN (or all bits one).
        """
        inputs = [_guarded(buffer, slack) for buffer in buffers]
        output = _Output(self.kernel.output_shape, self.dtype)
        scratch = _Output((self.lowered.scratch_bytes,), "uint8")
        arrays = (*inputs, output.array, scratch.array)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        bounds = np.linspace(0, self.lowered.extent, min(pieces, self.lowered.extent) + 1).astype(int)
        for begin, end in reversed(list(itertools.pairwise(bounds.tolist()))):
            self.function(*pointers, begin, end)
        output.check()
        scratch.check()
        return output.array


@functools.cache
def compiled(w: Workload, target: str, tile: object = None) -> CompiledKernel:
    """The kernel of a workload, compiled once per process."""
    row = find_target(target)
    return CompiledKernel(registry.build_kernel(w, row, tile), row)


def run(
    w: Workload,
    target: str,
    inputs: Sequence[tuple[AnyArray, Tensor]],
    constants: Sequence[Array] = (),
    residual: tuple[AnyArray, Blocked] | None = None,
    tile: object = None,
) -> AnyArray:
    """Build, compile and run a workload; check what it leaves alone.

    Args:
        w: the workload.
        target: name of a row this machine can run.
        inputs: images [C, H, W] or plain arrays, and how they lie in memory.
        constants: as ``registry.pack_constants`` takes them.
        residual: the residual's image and layout.
        tile: the default one if None.

    Returns:
        The output as an image [C, H, W] or a plain array.
    """
    kernel = compiled(w, target, tile)
    packed = registry.pack_constants(w, kernel.kernel.tile, constants)
    layouts = [*inputs, *([residual] if residual else [])]
    buffers = [to_buffer(array, tensor) for array, tensor in layouts]
    buffers[len(inputs) : len(inputs)] = packed
    slack = overread_bytes(w, kernel.kernel.tile)
    output = kernel(buffers, pieces=3, slack=slack)
    if not isinstance(w.y, Blocked):
        return output.reshape(w.y.shape)
    output = output.reshape(w.y.shape)
    halo = np.ones(w.y.shape, bool)
    halo[:, w.y.halo.top :, w.y.halo.left :][:, : w.y.height, : w.y.width] = False
    assert np.isnan(output[halo]).all(), "the kernel wrote into the halo"
    return from_blocked(output, w.y)


def assert_close(actual: AnyArray, expected: AnyArray, tolerance: float = 1e-5) -> None:
    """Equal within ``tolerance`` of the expected values' range."""
    assert actual.shape == expected.shape
    scale = max(float(np.abs(expected).max(initial=0)), 1e-30)
    error = float(np.abs(actual - expected).max(initial=0))
    assert error <= tolerance * scale, f"off by {error / scale:.2e} of the range"
