"""Which lines a kernel asks for before it stores to them."""

from __future__ import annotations

import pytest
import tvm_ffi
from tvm import tirx

from separable.compiler._tvm import tvm
from separable.compiler.emit.kernel import lower_kernel
from separable.compiler.emit.prefetch_stores import prefetch_stores
from separable.schedules import conv, depthwise
from separable.schedules.kernel import Kernel
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import Conv, Depthwise, Window
from separable.targets.table import find_target

THREE = Window((3, 3), pad=(1, 1))


def filtered(channels: int, size: int, target: str = "x86-64-v3") -> Kernel:
    """A depthwise convolution of a square image, in tiles of six columns."""
    row = find_target(target)
    x, y = Blocked(channels, size, size, row.lanes, Halo(1, 1, 1, 1)), Blocked(channels, size, size, row.lanes)
    return depthwise.build(Depthwise(x, y, THREE), row, depthwise.Tile(1, 6))


def first_convolution(x: Plain | Blocked) -> Kernel:
    """Of a large image, of which a register tile has six columns."""
    tile = conv.Tile(1, 6, 2, 8 if isinstance(x, Blocked) else 3, pixels_outer=True)
    return conv.build(Conv(x, Blocked(32, 112, 112, 8), Window((3, 3), pad=(1, 1))), find_target("x86-64-v3"), tile)


def requests(kernel: Kernel) -> list[tuple[tirx.For, tirx.IfThenElse]]:
    """The requests in a kernel, each with the loop it is in."""
    found: list[tuple[tirx.For, tirx.IfThenElse]] = []

    def visit(loop: tirx.For) -> None:
        if isinstance(loop.body, tirx.SeqStmt) and isinstance(loop.body[0], tirx.IfThenElse):
            found.append((loop, loop.body[0]))

    tvm_ffi.structural_walk(prefetch_stores(kernel.func).body, [(tirx.For, visit)])
    return found


def test_large_images_are_asked_for_by_lines() -> None:
    """A line holds two vectors of eight floats: every other column asks."""
    ((loop, request),) = requests(filtered(64, 56))
    assert int(loop.extent) == 6
    assert str(request.condition) == f"{loop.loop_var.name} % 2 == 0"
    assert "llvm.prefetch" in str(request.then_case)


def test_code_has_one_request_for_each_line_of_a_register_tile() -> None:
    kernel = filtered(64, 54)
    llvm = tvm.target.Target(dict(find_target("x86-64-v3").tvm))
    lowered = lower_kernel(kernel.func, "kernel", kernel.output_shape, kernel.store_at, llvm)
    assert lowered.func.script().count("llvm.prefetch") == 3


def test_small_images_are_not() -> None:
    assert not requests(filtered(8, 14))


def test_arm_is_not_asked() -> None:
    assert not requests(filtered(64, 56, "arm64:cortex-a76"))


@pytest.mark.parametrize(
    ("x", "count"), [(Plain((1, 3, 112, 112)), 1), (Blocked(32, 112, 112, 8, Halo(1, 1, 1, 1)), 0)]
)
def test_only_the_first_convolution_asks(x: Plain | Blocked, count: int) -> None:
    """The others compute much between two stores."""
    assert len(requests(first_convolution(x))) == count
