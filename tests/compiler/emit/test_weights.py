"""The section of weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from separable.compiler.emit.weights import SYMBOL, WeightBlob, pack_weights, write_weights
from separable.schedules.tensor import ALIGNMENT
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link


def test_constants_are_aligned_and_in_order() -> None:
    arrays = [np.arange(3, dtype=np.float32), np.arange(20, dtype=np.float32), np.array([5, 6], np.float32)]
    blob = pack_weights([arrays[:2], [], arrays[2:]])
    assert blob.offsets == [[0, 64], [], [192]]
    for array, offset in zip(arrays, [0, 64, 192], strict=True):
        assert blob.data[offset : offset + array.nbytes] == array.tobytes()
    assert len(blob.data) == 192 + 8


def test_equal_constants_are_stored_once() -> None:
    zeros = np.zeros(8, np.float32)
    blob = pack_weights([[np.ones(4, np.float32), zeros], [zeros.copy()], [np.zeros((2, 4), np.float32)]])
    assert blob.offsets == [[0, 64], [64], [64]]
    assert len(blob.data) == 64 + 32


def test_what_differs_in_zeros_at_the_end_is_stored_once() -> None:
    """The longest, where the first of them is; not so what goes on with something else."""
    short, long = np.array([1, 2], np.float32), np.array([1, 2] + [0] * 30, np.float32)
    other = np.array([1, 2, 3], np.float32)
    blob = pack_weights([[short], [other, long], [np.array([1], np.float32)]])
    assert blob.offsets == [[0], [128, 0], [192]]
    assert blob.data[:128] == long.tobytes()
    assert blob.data[128:140] == other.tobytes()


@pytest.mark.parametrize("target", ["x86-64-v2", "arm64"])
@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 17])
def test_the_section_is_read_only_and_aligned(data: bytes, target: str, tmp_path: Path) -> None:
    assembly = write_weights(WeightBlob(data, []), tmp_path)
    output = tmp_path / "weights.o"
    compile_and_link(output, target=find_target(target), sources=[assembly], flags=["-c"])
    with output.open("rb") as file:
        elf = ELFFile(file)
        section = elf.get_section_by_name(".rodata.separable")
        assert section is not None
        assert section["sh_flags"] == 2  # allocated, neither written nor executed
        assert section["sh_addralign"] == ALIGNMENT
        assert section.data().startswith(data)
        symbols = elf.get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        (symbol,) = symbols.get_symbol_by_name(SYMBOL) or []
        assert symbol["st_other"]["visibility"] == "STV_HIDDEN"
