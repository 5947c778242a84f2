"""What to compile and how: one frozen value that the command line parses, the API takes and the log echoes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from separable.compiler.errors import CompileError

MOST_THREADS = 1024
"""More CPUs than any phone has; what C takes for a number ends at 2^31."""


@dataclass(frozen=True)
class CompileOptions:
    """Options of one compilation.

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
        """Take a file's name for the model, too; raise CompileError for a number of threads that C cannot take."""
        object.__setattr__(self, "model", Path(self.model))
        if not 0 <= self.threads <= MOST_THREADS:
            raise CompileError(f"threads is {self.threads}, expected 0 to {MOST_THREADS}; 0 means every CPU")
