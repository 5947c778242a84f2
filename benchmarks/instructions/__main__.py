"""``python -m benchmarks.instructions``: the instructions of one inference, by target."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from separable.benchmarks.instructions.count import CountFailed, Counts, count_instructions
from separable.benchmarks.selection import model_name, parse_models
from separable.compiler.errors import CompileError
from separable.zoo.architecture import MobileNetV1

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def row_of(model: str, target: str, counts: Counts) -> tuple[str, ...]:
    """A line of the table."""
    return (
        model,
        target,
        f"{counts.total / 1e6:.2f}",
        f"{counts.vector_fma / 1e6:.2f}",
        f"{counts.vector_fma / counts.total:.1%}",
        f"{counts.vector_loads / 1e6:.2f}",
        f"{counts.hottest_vector_fma} in {counts.hottest_instructions}",
    )


@app.command()
def main(
    models: Annotated[
        str, typer.Option(help="Networks of the zoo and ONNX files, with commas between.")
    ] = "v1-1.0-224,v1-0.25-128",
    targets: Annotated[
        str, typer.Option(help="arm64 targets, with commas between.")
    ] = "arm64:generic,arm64:cortex-a53,arm64:cortex-a55,arm64:cortex-a76,arm64:neoverse-n1",
    precision: Annotated[str, typer.Option(help="fp32, or fp16 for targets that have it.")] = "fp32",
) -> None:
    """Count the instructions of one inference on one thread, in millions."""
    console = Console(highlight=False)
    console.width = max(console.width, 110)  # a file has the table's width
    table = Table("model", "target", box=None)
    for column in ("total", "vector FMA", "share", "vector loads", "hottest loop"):
        table.add_column(column, justify="right")
    try:
        with tempfile.TemporaryDirectory(prefix="separable-") as folder:
            for model in parse_models(models):
                path = model_file(model, Path(folder))
                for target in targets.split(","):
                    counts = count_instructions(path, target.strip(), precision)
                    table.add_row(*row_of(model_name(model), target, counts))
    except (CountFailed, CompileError, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    console.print(table)


def model_file(model: MobileNetV1 | Path, folder: Path) -> Path:
    """The ONNX file of a model; a network of the zoo is exported to ``folder``."""
    if isinstance(model, Path):
        return model
    # Only here: it needs torch, which files do not.
    from separable.zoo.export import export_mobilenet_v1

    path = folder / f"{model_name(model)}.onnx"
    export_mobilenet_v1(model, path)
    return path


if __name__ == "__main__":
    app()
