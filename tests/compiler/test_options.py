from __future__ import annotations

from pathlib import Path

import pytest

from separable.compiler.errors import CompileError
from separable.compiler.options import MOST_THREADS, CompileOptions


def test_a_file_name_is_a_model() -> None:
    assert CompileOptions("net.onnx").model == Path("net.onnx")  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [-1, MOST_THREADS + 1])
def test_threads_that_c_cannot_take(threads: int) -> None:
    with pytest.raises(CompileError, match=f"threads is {threads}, expected 0 to {MOST_THREADS}"):
        CompileOptions(Path("net.onnx"), threads=threads)
