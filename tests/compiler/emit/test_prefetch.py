"""What a kernel asks for ahead of its use."""

from __future__ import annotations

import pytest
import tvm_ffi
from tvm import tirx

from separable.compiler._tvm import tvm
from separable.compiler.emit.kernel import lower_kernel
from separable.compiler.emit.prefetch import prefetch_panels
from separable.schedules import conv, strassen
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Strassen, Window
from separable.targets.table import find_target

TARGET = find_target("x86-64-v3")


def prefetches(w: Conv, tile: conv.Tile) -> bool:
    """Whether the kernel asks for anything ahead."""
    kernel = conv.build(w, TARGET, tile)
    llvm = tvm.target.Target(dict(TARGET.tvm))
    lowered = lower_kernel(kernel.func, "kernel", kernel.output_shape, kernel.store_at, llvm)
    return "llvm.prefetch" in lowered.func.script()


def test_a_panel_is_fetched_while_the_one_before_is_used() -> None:
    w = Conv(Blocked(64, 14, 14, 8), Blocked(64, 14, 14, 8), Window((1, 1)), 1)
    assert prefetches(w, conv.Tile(1, 6, 2, 8, pixels_outer=False))


def test_nothing_is_fetched_where_pixels_are_outermost() -> None:
    w = Conv(Blocked(64, 14, 14, 8), Blocked(64, 14, 14, 8), Window((1, 1)), 1)
    assert not prefetches(w, conv.Tile(1, 6, 2, 8, pixels_outer=True))


@pytest.mark.parametrize("size", [28, 112])
def test_many_steps_over_a_large_panel_fit_an_index_of_32_bits(size: int) -> None:
    """As in VGG: 512 channels under 3x3 windows of a large image."""
    w = Conv(Blocked(512, size + 2, size + 2, 8), Blocked(512, size, size, 8), Window((3, 3)), 1)
    assert prefetches(w, conv.Tile(1, 6, 2, 8, pixels_outer=False))


def test_neighbouring_steps_ask_for_neighbouring_lines() -> None:
    """The address in the innermost loop is a sum of what the loops around it say and a constant for each step."""
    image = Blocked(64, 14, 14, 8)
    w = Strassen(Conv(image, Blocked(64, 14, 14, 8), Window((1, 1)), 1))
    func = prefetch_panels(strassen.build(w, TARGET, strassen.Tile(6, 2, 8, products_outer=True)).func)
    steps: list[tirx.For] = []

    def visit(loop: tirx.For) -> None:
        if isinstance(loop.body, tirx.SeqStmt) and isinstance(loop.body[0], tirx.Evaluate):
            steps.append(loop)

    tvm_ffi.structural_walk(func.body, [(tirx.For, visit)])
    (step,) = steps
    address = next(argument for argument in step.body[0].value.args if "address_of" in str(argument))
    index = address.args[0].indices[-1]
    base, offset = index.a, index.b
    assert str(step.loop_var.name) not in str(base)
    # A panel of 64 channels in tiles of 32, in 4 iterations of each of 7 x 17 register tiles.
    assert int(offset.b) == -(-4 * 32 * 16 // (4 * 7 * 17))
