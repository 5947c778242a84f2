"""``separable estimate``: how long a network will take on CPUs that need not be there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separable.compiler.commands.compile import Shapes, parse_shapes
from separable.compiler.commands.terminal import PhaseDisplay, new_table, print_note, stdout
from separable.compiler.commands.units import percent_text
from separable.targets.errors import UnknownTargetName
from separable.targets.published import MULT_ADDS, published_for
from separable.targets.table import find_target

if TYPE_CHECKING:
    from separable.compiler.estimate import Estimate, KernelEstimate


def estimate_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network.")],
    target: Annotated[
        str,
        typer.Option(
            "--target",
            metavar="NAME[,NAME...]",
            help="CPUs, with commas between; arm64:cortex-a55,cortex-a76 are two. `separable targets` lists the names.",
        ),
    ] = "native",
    threads: Annotated[int, typer.Option(min=1, help="Threads that share the work, each on a core of its own.")] = 1,
    shape: Shapes = None,
    kernels: Annotated[bool, typer.Option("--kernels", help="Show every kernel, and what limits it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Estimate the latency of a network on CPUs from their rows of the target table; nothing is run.

    The code for each CPU is generated and its loops are read; docs/estimate.md says how they become a time, and how far
    such times were from measured ones.
    """
    shapes, names = parse_shapes(shape or ()), target_names(target)
    with PhaseDisplay() as display:
        display("load compiler", 0)
        from separable.compiler.estimate import check_rates, estimate_model
        from separable.compiler.pipeline import resolve_target, resolve_variants

        display("load compiler", 1)
        for name in names:  # all of them, before work starts
            row = resolve_target(name)
            check_rates(row)
            if len(resolve_variants(name).rows) > 1:
                print_note(f"{name} is several CPUs in one library; estimated is {row.name}")
        estimates = [estimate_model(model, name, threads, shapes=shapes, progress=display) for name in names]
    if as_json:
        json.dump([_as_dict(estimate) for estimate in estimates], sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    stdout().print(_summary(estimates))
    for estimate in estimates:
        if kernels:
            stdout().print(f"\n{estimate.target}", style="bold")
            stdout().print(_kernel_table(estimate.kernels))
    _print_published(estimates)
    unmeasured = [estimate.target for estimate in estimates if not estimate.measured]
    if unmeasured:
        print_note(f"no estimate of ours for {', '.join(unmeasured)} was compared with a device: docs/estimate.md")


def target_names(text: str) -> list[str]:
    """The names between commas, each once; one that is no target continues the one before: ``arm64:a,b``.

    Names that no row has are left for the error that they cause.
    """
    names: list[str] = []
    arch = ""
    for name in (part.strip() for part in text.split(",")):
        full = name
        if arch and ":" not in name and not _known(name):
            full = f"{arch}:{name}"
        arch = full.partition(":")[0] if ":" in full else ""
        names.append(full)
    return list(dict.fromkeys(names))


def _known(name: str) -> bool:
    try:
        find_target(name)
    except UnknownTargetName:
        return False
    return True


def _as_dict(estimate: Estimate) -> dict[str, Any]:
    return {**asdict(estimate), "published": [asdict(figure) for figure in _published(estimate)]}


def _summary(estimates: Iterable[Estimate]) -> Any:
    """A row for each target."""
    table = new_table(["target"], ["GHz", "threads", "ms", "from", "to", "core bound", "GFLOPS", "of peak"])
    for estimate in estimates:
        times = (estimate.milliseconds, estimate.low, estimate.high)
        in_core = sum(kernel.milliseconds for kernel in estimate.kernels if kernel.bound == "core")
        gflops = 2 * estimate.mult_adds / estimate.milliseconds / 1e6
        table.add_row(
            estimate.target,
            f"{estimate.ghz:.2f}",
            str(estimate.threads),
            *(_milliseconds(time) for time in times),
            percent_text(in_core, estimate.milliseconds),
            f"{gflops:.1f}",
            percent_text(gflops, estimate.peak_gflops),
        )
    return table


def _kernel_table(kernels: Sequence[KernelEstimate]) -> Any:
    table = new_table(["nodes", "kernel"], ["us", "share", "cycles", "in the core", "for data", "bound", "GFLOPS"])
    total = sum(kernel.milliseconds for kernel in kernels)
    for kernel in kernels:
        table.add_row(
            " + ".join(kernel.nodes),
            kernel.kernel,
            f"{1e3 * kernel.milliseconds:.1f}",
            percent_text(kernel.milliseconds, total),
            *(f"{cycles:.0f}" for cycles in (kernel.cycles, kernel.core_cycles, kernel.data_cycles)),
            kernel.bound,
            f"{2 * kernel.mult_adds / max(kernel.milliseconds, 1e-9) / 1e6:.1f}",
        )
    return table


def _published(estimate: Estimate) -> Sequence[Any]:
    """Figures of the same network, cores and threads, by other programs."""
    if estimate.mult_adds != MULT_ADDS:
        return ()
    return [figure for figure in published_for(estimate.target) if figure.threads == estimate.threads]


def _print_published(estimates: Iterable[Estimate]) -> None:
    """What others report of the same network on the same cores."""
    table = new_table(["published for", "chip", "program"], ["GHz", "threads", "ms"])
    for estimate in estimates:
        for figure in _published(estimate):
            numbers = (str(figure.ghz), str(figure.threads), _milliseconds(figure.milliseconds))
            table.add_row(estimate.target, figure.chip, figure.program, *numbers)
    if table.row_count:
        stdout().print()
        stdout().print(table)


def _milliseconds(value: float) -> str:
    """Three digits: more would be pretence."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
