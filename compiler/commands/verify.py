"""``separable verify``: the library against the ONNX file that it was compiled from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separable.compiler.commands.run import Inputs, Library, Mean, Std, parse_channels
from separable.compiler.commands.terminal import new_table, stdout
from separable.compiler.inspect import library_in
from separable.runtime.loader import load


def verify_command(
    library: Library,
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="What it was compiled from.")],
    files: Inputs = None,
    mean: Mean = "127.5",
    std: Std = "127.5",
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, help="Largest error allowed, as a share of the output's range. [default: 1e-4, for fp16 5e-2]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random inputs where no --input is given.")] = 0,
) -> None:
    """Compare a library with its ONNX file on the same inputs; exit code 1 if they differ."""
    inputs = None
    library = library_in(library)
    with load(library) as compiled:  # before anything slow, so that a library that cannot run here is told at once
        if files:
            from separable.compiler.inputs import read_inputs

            inputs = read_inputs(compiled.inputs, files, mean=parse_channels(mean), std=parse_channels(std))
    from separable.compiler.verify import verify_library

    verification = verify_library(library, model, inputs, seed=seed)
    what = "the inputs given" if files else f"random inputs of seed {seed}"
    stdout().print(f"{library} against {verification.reference} on {what}", soft_wrap=True)
    table = new_table(["output"], ["max error", "of range"])
    for deviation in verification.deviations:
        table.add_row(deviation.output, f"{deviation.max_abs:.2e}", f"{deviation.relative:.2e}")
    stdout().print(table)
    verification.require(tolerance)
    stdout().print(f"equal within {verification.tolerance if tolerance is None else tolerance:g} of the range")
