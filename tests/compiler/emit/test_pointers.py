"""Distant parts of a buffer that a loop reads are read through pointers of their own."""

from __future__ import annotations

import re

import pytest
from tvm import tirx

from separable.compiler._tvm import tvm
from separable.compiler.emit.kernel import lower_kernel
from separable.compiler.emit.pointers import separate_pointers
from separable.schedules import conv, registry
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Window
from separable.targets.table import find_target

LAUNDER = "llvm.launder.invariant.group"


def loop_over(offsets: list[tirx.Expr | int], stride: int = 100, store_to_input: bool = False) -> tirx.PrimFunc:
    """``for i: Y[4i : 4i + 4] = X[stride i + offset :][:4]`` for each offset."""
    x, y = tirx.decl_buffer((100_000,), "float32", "X"), tirx.decl_buffer((4000,), "float32", "Y")
    i = tirx.Var("i", "int32")
    loads = [tirx.BufferLoad(x, [tirx.Ramp(i * stride + offset, 1, 4)]) for offset in offsets]
    stored = x if store_to_input else y
    stores = [tirx.BufferStore(stored, load, [tirx.Ramp(i * 4, 1, 4)]) for load in loads]
    loop = tirx.For(i, tirx.const(0, "int32"), tirx.const(7, "int32"), tirx.ForKind.SERIAL, tirx.stmt_seq(*stores))
    return tirx.PrimFunc([x, y], loop)


def rewritten(func: tirx.PrimFunc) -> str:
    return str(separate_pointers(func).script())


def test_each_part_has_a_pointer_and_every_load_reads_what_it_read() -> None:
    text = rewritten(loop_over([4, 0, 2000, 2004, 5000]))
    starts = [int(start) for start in re.findall(r"address_of\(X\[(\d+)\]\)", text)]
    assert text.count(LAUNDER) == 3
    assert sorted(starts) == [0, 2000, 5000]
    offsets = re.findall(r"X_part\w*\[T\.Ramp\(i \* 100(?: \+ (\d+))?, 1, 4\)\]", text)
    assert [int(offset or 0) for offset in offsets] == [4, 0, 0, 4, 0]


@pytest.mark.parametrize(
    "func",
    [
        loop_over([0, 4, 252]),
        loop_over([0, tirx.Var("far", "int32")]),
        loop_over([0, 2000], store_to_input=True),
    ],
    ids=["within reach", "unknown distance", "stored to"],
)
def test_a_buffer_keeps_its_pointer(func: tirx.PrimFunc) -> None:
    assert LAUNDER not in rewritten(func)


def test_a_buffer_that_is_written_elsewhere_is_read_through_its_own_pointer() -> None:
    """LLVM is told that what one pointer writes no other reads: it would leave out the stores."""
    reading = loop_over([0, 2000])
    x = reading.params[0]
    store = tirx.BufferStore(x, tirx.const(1.0, "float32"), [tirx.const(0, "int32")])
    text = rewritten(reading.with_body(tirx.stmt_seq(store, reading.body)))
    assert text.count(LAUNDER) == 2
    assert "decl_buffer" not in text
    assert len(re.findall(r"= X\[T\.Ramp\(X_part\w* \+ i \* 100, 1, 4\)\]|= X\[T\.Ramp\(i \* 100 \+ X_part", text)) == 2


@pytest.mark.parametrize("name", ["arm64:cortex-a53", "arm64:cortex-a76"])
def test_a_pointwise_loop_loads_in_pairs_and_spills_nothing(name: str) -> None:
    """7 x 3 sums, 16 channels: 4 x 7 pixels and 48 weight vectors, paired where they can be."""
    target = find_target(name)
    w = Conv(Blocked(256, 14, 14, 4), Blocked(48, 14, 14, 4), Window((1, 1)), 1)
    kernel = registry.build_kernel(w, target, conv.Tile(1, 7, 3, 16, pixels_outer=False))
    llvm = tvm.target.Target(dict(target.tvm))
    lowered = lower_kernel(kernel.func, "kernel", kernel.output_shape, kernel.store_at, llvm)
    mod = tvm.tirx.transform.BindTarget(llvm)(tvm.IRModule({"kernel": lowered.func}))
    text = tvm.get_global_func("target.build.llvm")(mod, llvm).inspect_source("asm")
    loop = max(re.split(r"^\.LBB\w+:|\n\s+b\.ne.*", text, flags=re.MULTILINE), key=lambda part: part.count("fmla"))
    assert loop.count("fmla") == 7 * 3 * 16
    assert len(re.findall(r"\bldp\s+q", loop)) >= 4 * 3 + 24
    assert len(re.findall(r"\bldr\s+q", loop)) <= 4
    assert "[sp" not in loop


def test_a_kernel_of_one_item_keeps_its_pointers() -> None:
    """Its parts are no views of parameters. One pixel of output, from planes of 256 values."""
    row = find_target("arm64:cortex-a76")
    w = Conv(Blocked(64, 8, 8, 4), Blocked(4, 1, 1, 4), Window((1, 1), (8, 8)), 1)
    kernel = registry.build_kernel(w, row)
    llvm = tvm.target.Target(dict(row.tvm))
    lowered = lower_kernel(kernel.func, "kernel", kernel.output_shape, kernel.store_at, llvm)
    assert lowered.extent == 1
    assert LAUNDER in str(lowered.func.script())
