from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.compiler.errors import CompileError
from separable.compiler.options import MOST_THREADS, CompileOptions


def options(**values: Any) -> CompileOptions:
    return CompileOptions(**{"model": Path("net.onnx"), **values})


def test_texts_are_paths() -> None:
    texts = options(model="net.onnx", output="out", dump_ir="ir", records=["a.json", Path("b.json")])
    paths = options(output=Path("out"), dump_ir=Path("ir"), records=(Path("a.json"), Path("b.json")))
    assert texts == paths
    assert options(records="a.json").records == (Path("a.json"),)


def test_shapes_are_tuples() -> None:
    assert options(shapes={"x": [1, np.int64(3)]}).shapes == {"x": (1, 3)}


@pytest.mark.parametrize("threads", [-1, MOST_THREADS + 1, True, 1.5, "2", None])
def test_threads_that_c_cannot_take(threads: Any) -> None:
    with pytest.raises(CompileError, match=f"threads is {threads!r}, expected 0 to {MOST_THREADS}"):
        options(threads=threads)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("model", [None, 5, b"net.onnx"], "the path of an ONNX file"),
        ("output", [5, b"out"], "the path of a folder, or None"),
        ("dump_ir", [True], "the path of a folder, or None"),
        ("records", [None, 5, [5]], "a tuple of paths"),
        ("shapes", [None, [1, 3], {"x": "1,3"}, {"x": 1}, {"x": (1.5,)}], "a mapping from names of inputs to tuples"),
        ("target", [None, 5, ["x86-64-v3"]], "the name of a target"),
        ("precision", [None, ["fp32"]], "the name of a precision"),
        ("name", ["", 5], "a C identifier, or None"),
        ("winograd", ["no", None], "True or False"),
        ("verify", [1], "True or False"),
    ],
)
def test_values_of_another_type(name: str, values: Sequence[object], expected: str) -> None:
    for value in values:
        with pytest.raises(CompileError, match=re.escape(f"{name} is {value!r}, expected {expected}")):
            options(**{name: value})
