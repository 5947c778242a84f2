"""``python -m benchmarks.published``: estimates of MobileNet V1 1.0-224 beside what others report of phones."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from separable.compiler.estimate import Estimate, code_mixes, estimate_built
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model
from separable.targets.published import PUBLISHED, Published
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import to_onnx
from separable.zoo.mobilenet_v1 import MobileNetV1Network

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def estimate_published(network: MobileNetV1) -> list[tuple[Published, Estimate]]:
    """An estimate for each published figure, at the clock of its chip."""
    estimates = {}
    with tempfile.TemporaryDirectory(prefix="separable-") as folder:
        path = Path(folder) / "mobilenet.onnx"
        path.write_bytes(to_onnx(MobileNetV1Network(network)).SerializeToString())
        for row in dict.fromkeys(figure.row for figure in PUBLISHED):
            built = build_model(CompileOptions(path, target=row), Phases())
            mixes = code_mixes(built)
            for figure in PUBLISHED:
                if figure.row == row:
                    machine = replace(built.target, ghz=figure.ghz)
                    estimates[figure] = estimate_built(built, figure.threads, machine, mixes)
    return [(figure, estimates[figure]) for figure in PUBLISHED]


@app.command()
def main() -> None:
    """Estimate MobileNet V1 1.0-224 for the cores and clocks of published figures; times in milliseconds."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, 110)  # a file has the table's width
    table = Table("row", "chip", "program", box=None)
    for column in ("GHz", "threads", "published", "estimate", "from", "to"):
        table.add_column(column, justify="right")
    with console.status("estimating"):
        estimates = estimate_published(MobileNetV1())
    for figure, estimate in estimates:
        times = (figure.milliseconds, estimate.milliseconds, estimate.low, estimate.high)
        numbers = (f"{figure.ghz:.2f}", str(figure.threads), *(f"{milliseconds:.1f}" for milliseconds in times))
        table.add_row(figure.row, figure.chip, figure.program, *numbers)
    console.print(table)


if __name__ == "__main__":
    app()
