"""A scheduled function -> a C function of a range of its items."""

from __future__ import annotations

import ctypes
import itertools
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from tvm import s_tir, te, tirx

from separable.compiler._tvm import tvm
from separable.compiler.emit.kernel import STACK_BYTES, LoweredKernel, lower_kernel
from separable.compiler.emit.object_file import build_object
from separable.compiler.exprs import Array
from separable.schedules.kernel import IndexMap, same_index
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

ROWS, COLUMNS = 6, 4


def scale_by_two() -> tirx.PrimFunc:
    """``Y = 2 X``, row by row."""
    x = te.placeholder((ROWS, COLUMNS), name="X")
    sch = s_tir.Schedule(te.create_prim_func([x, te.compute(x.shape, lambda i, j: x[i, j] * 2.0, name="Y")]))
    sch.parallel(sch.get_loops(sch.get_sblock("Y"))[0])
    return sch.mod["main"]


def sum_of_squares(columns: int) -> tirx.PrimFunc:
    """``Y[i] = sum_j X[i, j]²`` with a temporary row of squares."""
    x = te.placeholder((ROWS, columns), name="X")
    squares = te.compute(x.shape, lambda i, j: x[i, j] * x[i, j], name="S")
    axis = te.reduce_axis((0, columns))
    sch = s_tir.Schedule(
        te.create_prim_func([x, te.compute((ROWS,), lambda i: te.sum(squares[i, axis], axis), name="Y")])
    )
    # A kernel only writes its output, so the sum grows in a temporary.
    store = sch.cache_write(sch.get_sblock("Y"), 0, "global")
    row = sch.get_loops(store)[0]
    for block in ("Y", "S"):
        sch.compute_at(sch.get_sblock(block), row)
    sch.parallel(row)
    return sch.mod["main"]


def llvm(target: Target) -> tvm.target.Target:
    return tvm.target.Target(dict(target.tvm))


def lower(func: tirx.PrimFunc, shape: tuple[int, ...], store_at: IndexMap = same_index) -> LoweredKernel:
    return lower_kernel(func, "kernel", shape, store_at, llvm(detect_host()))


class Runnable:
    """A kernel in memory."""

    def __init__(self, kernel: LoweredKernel, folder: Path) -> None:
        target = detect_host()
        obj, library = folder / "kernel.o", folder / "kernel.so"
        build_object([kernel], target, obj)
        compile_and_link(library, target=target, objects=[obj], flags=["-shared"])
        self.scratch = np.zeros(kernel.scratch_bytes + 64, np.uint8)
        self.function = ctypes.CDLL(str(library)).kernel

    def __call__(self, x: Array, y: Array, begin: int, end: int) -> int:
        aligned = self.scratch.ctypes.data + -self.scratch.ctypes.data % 64
        pointers = [ctypes.c_void_p(address) for address in (x.ctypes.data, y.ctypes.data, aligned)]
        status: int = self.function(*pointers, begin, end)
        return status


def test_a_range_of_items_is_computed(tmp_path: Path) -> None:
    lowered = lower(scale_by_two(), (ROWS, COLUMNS))
    assert (lowered.extent, lowered.scratch_bytes) == (ROWS, 0)
    kernel = Runnable(lowered, tmp_path)
    x = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    for begin, end in itertools.combinations_with_replacement(range(ROWS + 1), 2):
        y = np.full_like(x, -1)
        assert kernel(x, y, begin, end) == 0
        expected = np.full_like(x, -1)
        expected[begin:end] = 2 * x[begin:end]
        np.testing.assert_array_equal(y, expected)


def test_stores_go_where_they_are_sent(tmp_path: Path) -> None:
    lowered = lower(scale_by_two(), (ROWS + 2, COLUMNS + 3), lambda i, j: (i + 1, j + 2))
    x = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    y = np.full((ROWS + 2, COLUMNS + 3), -1, np.float32)
    Runnable(lowered, tmp_path)(x, y, 0, ROWS)
    expected = np.full_like(y, -1)
    expected[1:-1, 2:-1] = 2 * x
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("columns", [7, STACK_BYTES // 4, STACK_BYTES // 4 + 1])
def test_temporaries_above_the_limit_move_to_scratch(columns: int, tmp_path: Path) -> None:
    lowered = lower(sum_of_squares(columns), (ROWS,))
    expected_bytes = -(-4 * columns // 64) * 64 if 4 * columns > STACK_BYTES else 0
    assert lowered.scratch_bytes == expected_bytes
    x = np.random.default_rng(0).standard_normal((ROWS, columns)).astype(np.float32)
    y = np.zeros(ROWS, np.float32)
    Runnable(lowered, tmp_path)(x, y, 0, ROWS)
    np.testing.assert_allclose(y, (x.astype(np.float64) ** 2).sum(1), rtol=1e-5)


def test_a_single_item_has_no_loop_to_split() -> None:
    x = te.placeholder((1, COLUMNS), name="X")
    sch = s_tir.Schedule(te.create_prim_func([x, te.compute(x.shape, lambda i, j: x[i, j] + 1.0, name="Y")]))
    sch.parallel(sch.get_loops(sch.get_sblock("Y"))[0])
    assert lower(sch.mod["main"], (1, COLUMNS)).extent == 1


@pytest.mark.parametrize("target", ["x86-64-v2", "arm64"])
def test_an_object_defines_its_kernel_and_nothing_else(target: str, tmp_path: Path) -> None:
    row = find_target(target)
    build_object([lower(scale_by_two(), (ROWS, COLUMNS))], row, tmp_path / "kernel.o")
    with (tmp_path / "kernel.o").open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}[row.arch]
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        bound = [symbol for symbol in table.iter_symbols() if symbol["st_info"]["bind"] != "STB_LOCAL"]
    assert {symbol.name for symbol in bound if symbol["st_shndx"] == "SHN_UNDEF"} <= {"memset", "memcpy"}
    assert "kernel" in {symbol.name for symbol in bound}
