"""``python -m benchmarks.search``: how far the default tiles are from the best that an exhaustive search finds.

Every tile in the neighbourhood of a default is measured inside of the whole network: the first candidates of all
workloads make one network, the second another, and each network takes turns with the default one. The best few of each
workload meet again, their reductions unrolled in every way, and in more rounds; then the network of all winners is
measured, as a whole and kernel by kernel.
"""

from __future__ import annotations

import itertools
import os
import re
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from separable.benchmarks.duel import Duel, DuelFailed, hold_duel
from separable.benchmarks.machine import describe_machine
from separable.benchmarks.neighbourhood import tiles_near
from separable.benchmarks.search_report import Finding, Findings, print_findings, write_findings
from separable.benchmarks.workload import random_inputs
from separable.compiler.errors import CompileError
from separable.compiler.intervals import FEWEST_VALUES
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model, compile_model
from separable.schedules.space import unrollings
from separable.schedules.workload import Workload
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_mobilenet_v1

_RESULTS = Path(__file__).parent / "results"
_FINALISTS = 5
_CLEARLY_BETTER = 0.995
"""A winner must beat the default by half a percent; closer times are noise."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Arena:
    """The network in which tiles meet.

    Attributes:
        model: the ONNX file.
        champion: the library with the default tiles.
        kernels: the workload of each kernel by its name, which no tile changes.
        inputs: arrays by input name, as ``numpy.savez`` writes them.
        threads: threads of each library.
        folder: where challengers are compiled to.
    """

    model: Path
    champion: Path
    kernels: Mapping[str, Workload]
    inputs: Path
    threads: int
    folder: Path

    def duel(self, tiles: Mapping[Workload, object], rounds: int) -> Duel:
        """The library with these tiles against that with the defaults."""
        options = CompileOptions(self.model, output=self.folder / "challenger")
        challenger = compile_model(options, tiles=tiles).library
        return hold_duel(challenger, self.champion, self.inputs, threads=self.threads, rounds=rounds)

    def meet(
        self, candidates: Mapping[Workload, Sequence[object]], rounds: int, advance: Callable[[int, int], None]
    ) -> dict[Workload, dict[object, float]]:
        """The time of each candidate divided by the default's."""
        ratios: dict[Workload, dict[object, float]] = {w: {} for w in candidates}
        networks = networks_of(candidates)
        for number, tiles in enumerate(networks):
            by_kernel = self.duel(tiles, rounds).kernel_ratios
            for kernel, w in self.kernels.items():
                if w in tiles:
                    ratios[w][tiles[w]] = by_kernel[kernel]
            advance(number + 1, len(networks))
        return ratios


def networks_of(candidates: Mapping[Workload, Sequence[object]]) -> list[dict[Workload, object]]:
    """The i-th candidate of every workload, for all i; a workload without one keeps its default."""
    rows = itertools.zip_longest(*candidates.values())
    return [{w: tile for w, tile in zip(candidates, row, strict=True) if tile is not None} for row in rows]


def best_of(ratios: Mapping[object, float], count: int) -> list[object]:
    """The tiles with the lowest ratios, the lowest first."""
    return sorted(ratios, key=ratios.__getitem__)[:count]


def search(
    model: Path, folder: Path, *, threads: int, rounds: int, advance: Callable[[str, int, int], None]
) -> Findings:
    """Measure all candidates of a network, then the winners together.

    Args:
        model: the ONNX file.
        folder: where libraries are compiled to.
        threads: threads of each library.
        rounds: how often a candidate and the default take turns at first; finalists have three times as many.
        advance: called with the phase, how many networks are measured and how many there are.

    Raises:
        CompileError: the model cannot be compiled.
        DuelFailed: a candidate does not run, or computes something else.
    """
    built = build_model(CompileOptions(model), Phases())
    champion = compile_model(CompileOptions(model, output=folder / "champion")).library
    inputs = folder / "inputs.npz"
    np.savez(inputs, **random_inputs(champion))  # type: ignore[arg-type]  # of an option of its own
    kernels = {kernel.name: kernel.workload for kernel in built.scheduled.kernels}
    defaults = {kernel.workload: kernel.tile for kernel in built.scheduled.kernels}
    arena = Arena(model, champion, kernels, inputs, threads, folder)

    near = {w: others(tiles_near(w, built.target), default) for w, default in defaults.items()}
    first = arena.meet(near, rounds, lambda done, total: advance("all tiles", done, total))
    best = {w: [defaults[w], *best_of(ratios, _FINALISTS)] for w, ratios in first.items() if ratios}
    finalists = {
        w: others([unrolled for tile in tiles for unrolled in unrollings(w, tile)], defaults[w])
        for w, tiles in best.items()
    }
    final = arena.meet(finalists, 3 * rounds, lambda done, total: advance("finals", done, total))
    leaders = {w: best_of(ratios, 1)[0] for w, ratios in final.items()}
    winners = {w: tile for w, tile in leaders.items() if final[w][tile] < _CLEARLY_BETTER}
    # Measured anew: the lowest of many numbers owes something to luck.
    duel = arena.duel(winners, 10 * rounds)

    findings = [
        Finding(
            kernel,
            candidates=len({*near[w], *finalists[w], defaults[w]}),
            default=str(defaults[w]),
            best=str(winners.get(w, defaults[w])),
            microseconds=statistics.median(duel.champion.kernels[kernel]) / 1e3,
            ratio=duel.kernel_ratios[kernel] if w in winners else 1.0,
        )
        for kernel, w in kernels.items()
        if w in leaders
    ]
    return Findings(model.stem, threads, findings, duel.whole)


def others(tiles: Sequence[object], default: object) -> list[object]:
    """The tiles but the default."""
    return [tile for tile in tiles if tile != default]


@app.command()
def main(
    model: Annotated[
        str, typer.Option(help="An ONNX file, or a network of the zoo: v1-ALPHA-RESOLUTION.")
    ] = "v1-1.0-224",
    threads: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each candidate before the finals.")] = FEWEST_VALUES,
    results: Annotated[Path, typer.Option(help="Folder for CSV and JSON.")] = _RESULTS,
) -> None:
    """Search the tiles around every default on this machine, and say what a network gains by the best of them."""
    console = Console(highlight=False, soft_wrap=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    try:
        with tempfile.TemporaryDirectory(prefix="separable-") as temporary, Progress(console=console) as progress:
            bars = {}

            def advance(phase: str, done: int, total: int) -> None:
                if phase not in bars:
                    bars[phase] = progress.add_task(phase)
                progress.update(bars[phase], completed=done, total=total)

            path = find_model(model, Path(temporary))
            findings = search(path, Path(temporary), threads=threads, rounds=rounds, advance=advance)
    except (CompileError, DuelFailed, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    print_findings(findings, console)
    write_findings(findings, describe_machine(), results, console)


def find_model(name: str, folder: Path) -> Path:
    """The ONNX file that ``name`` is, or that it names in the zoo: written to ``folder``.

    Raises:
        ValueError: it is neither.
    """
    if name.endswith(".onnx"):
        return Path(name)
    match = re.fullmatch(r"v1-(\d(?:\.\d+)?)-(\d+)", name)
    if match is None:
        raise ValueError(f"{name!r} is neither an ONNX file nor a network like v1-1.0-224")
    path = folder / f"{name}.onnx"
    export_mobilenet_v1(MobileNetV1(float(match[1]), int(match[2])), path)
    return path


if __name__ == "__main__":
    app()
