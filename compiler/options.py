"""What to compile and how: one frozen value that the command line parses, the API takes and the log echoes."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from separable.compiler.errors import CompileError

MOST_THREADS = 1024
"""More CPUs than any phone has; what C takes for a number ends at 2^31."""

_FLAGS = ("require_records", "winograd", "strassen", "verify")


@dataclass(frozen=True)
class CompileOptions:
    """Options of one compilation. Where it takes a path, the path's text will do.

    Attributes:
        model: the ONNX file.
        target: a target name, ``os-arch[:cpu][+feature]`` or one of the short names of ``separable targets``.
        output: folder for the library and its companions; default ``<model stem>-<target>`` in the working folder.
        name: prefix of the exported C symbols and of the files; default: the model's file name as a C identifier.
        shapes: static shapes for inputs with symbolic dimensions, by input name.
        threads: thread count that ``NAME_create`` uses when its options name none, at most ``MOST_THREADS``; 0 means
            every CPU it may use.
        dump_ir: folder that receives the IR after every phase.
        records: files of ``separable tune``; kernels with a record are compiled with its tile.
        require_records: fail if a kernel that can be tuned has no record of its own.
        winograd: compute dense 3x3 convolutions by Winograd's algorithm where that is estimated to be faster. Results
            then differ from those of direct convolution by rounding: 1e-6 of the output's range.
        strassen: the same for Strassen's algorithm and 1x1 convolutions, whose tiles then are computed, not tuned.
        precision: ``fp32``, or ``fp16`` for float16 images, weights and arithmetic where the target has it; inputs and
            outputs stay float32. See ``precision.py``.
        verify: compare the library with the ONNX model after linking (native targets only).
    """

    model: Path
    target: str = "native"
    output: Path | None = None
    name: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    threads: int = 0
    dump_ir: Path | None = None
    records: tuple[Path, ...] = ()
    require_records: bool = False
    winograd: bool = True
    strassen: bool = True
    precision: str = "fp32"
    verify: bool = False

    def __post_init__(self) -> None:
        """Make paths of texts and tuples of shapes; raise CompileError for what is of no use later."""
        self._convert("model", Path, "the path of an ONNX file")
        self._convert("output", _path_or_none, "the path of a folder, or None")
        self._convert("dump_ir", _path_or_none, "the path of a folder, or None")
        self._convert("records", _paths, "a tuple of paths")
        self._convert("shapes", _static_shapes, "a mapping from names of inputs to tuples of whole numbers")
        self._require("target", isinstance(self.target, str), "the name of a target")
        self._require("precision", isinstance(self.precision, str), "the name of a precision")
        named = self.name is None or (isinstance(self.name, str) and self.name != "")
        self._require("name", named, "a C identifier, or None for the model's file name")
        # A bool is an int, but "threads=True" means nothing.
        counted = type(self.threads) is int and 0 <= self.threads <= MOST_THREADS
        self._require("threads", counted, f"0 to {MOST_THREADS}; 0 means every CPU")
        for flag in _FLAGS:
            self._require(flag, isinstance(getattr(self, flag), bool), "True or False")

    def _convert(self, name: str, convert: Callable[[Any], object], expected: str) -> None:
        try:
            object.__setattr__(self, name, convert(getattr(self, name)))
        except (AttributeError, TypeError):
            self._require(name, False, expected)

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise CompileError(f"{name} is {getattr(self, name)!r}, expected {expected}")


def _path_or_none(value: Any) -> Path | None:
    return None if value is None else Path(value)


def _paths(values: Any) -> tuple[Path, ...]:
    # One path is none of many: a text would be taken for its letters.
    return tuple(map(Path, [values] if isinstance(values, str | os.PathLike) else values))


def _static_shapes(shapes: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(map(operator.index, shape)) for name, shape in shapes.items()}
