"""``python -m benchmarks.loops``: cycles of loops over sums on a core in program order, LLVM's and ours."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from separable.benchmarks.instructions.__main__ import model_file
from separable.benchmarks.selection import parse_models
from separable.compiler.emit import dual_issue
from separable.compiler.emit.kernel import LoweredKernel
from separable.compiler.emit.listing import innermost_loops, multiply_adds
from separable.compiler.emit.object_file import assembly
from separable.compiler.errors import CompileError, UnknownTarget
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model
from separable.targets.row import Target

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Loop:
    """A loop over sums.

    Attributes:
        kernel: the kernel it is in.
        products: multiply-adds of one iteration.
        before, after: cycles of one iteration as LLVM wrote it and as it is in the library; None where it holds
            instructions whose rules of issue are not known.
    """

    kernel: str
    products: int
    before: float | None
    after: float | None


def loops_of(model: Path, target: str, precision: str = "fp32") -> Iterator[Loop]:
    """The loops over sums of a network's kernels.

    Raises:
        UnknownTarget: the target is no core whose rules of issue are known.
        CompileError: the other kinds in ``errors.py``.
    """
    built = build_model(CompileOptions(model, target=target, precision=precision), Phases())
    if not built.target.half_loads:
        raise UnknownTarget(f"the rules of issue of {target} are not known: name arm64:cortex-a53 or arm64:cortex-a55")
    for kernel in built.scheduled.kernels:
        if isinstance(kernel.lowered, LoweredKernel):
            before = _loops(kernel.lowered, replace(built.target, half_loads=""))
            after = _loops(kernel.lowered, built.target)
            for old, new in zip(before, after, strict=True):
                cycles = (dual_issue.cycles(loop, built.target) for loop in (old, new))
                yield Loop(kernel.name, multiply_adds(old), *cycles)


def _loops(kernel: LoweredKernel, target: Target) -> list[Sequence[str]]:
    return [loop for loop in innermost_loops(assembly([kernel], target)) if multiply_adds(loop)]


@app.command()
def main(
    models: Annotated[str, typer.Option(help="Networks of the zoo, ONNX files; commas between.")] = "v1-1.0-224",
    target: Annotated[str, typer.Option(help="arm64:cortex-a53 or arm64:cortex-a55.")] = "arm64:cortex-a55",
    precision: Annotated[str, typer.Option(help="fp32, or fp16 for cores that have it.")] = "fp32",
) -> None:
    """Count the cycles of an iteration, and what part of the multiply-adds that could start in them do start."""
    console = Console(highlight=False)
    table = Table("kernel", box=None)
    for column in ("multiply-adds", "LLVM's order", "", "in the library", ""):
        table.add_column(column, justify="right")
    try:
        with tempfile.TemporaryDirectory(prefix="separable-") as folder, console.status("compiling"):
            for model in parse_models(models):
                for loop in loops_of(model_file(model, Path(folder)), target, precision):
                    table.add_row(
                        loop.kernel, str(loop.products), *_shown(loop, loop.before), *_shown(loop, loop.after)
                    )
    except (CompileError, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    console.print(table)


def _shown(loop: Loop, cycles: float | None) -> tuple[str, str]:
    return ("", "") if cycles is None else (f"{cycles:.0f}", f"{loop.products / cycles:.0%}")


if __name__ == "__main__":
    app()
