"""``separable tune``: search for faster tiles on this machine, or on devices behind a tracker."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from separable.compiler.commands.compile import Shapes, TargetName, parse_shapes
from separable.compiler.commands.terminal import PhaseDisplay, print_facts, print_note, stdout
from separable.compiler.commands.units import shell_path

if TYPE_CHECKING:
    from separable.compiler.tuning.tune import TuneOptions

_UNITS = {"s": 1, "m": 60, "h": 3600}
_DEFAULT_BUDGET = "20m"


def parse_budget(text: str) -> float:
    """``30m`` as seconds; a number alone counts seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip().lower())
    seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else 0.0
    if not 1 <= seconds <= 7 * 24 * 3600:
        raise typer.BadParameter(f"{text!r} is no budget; expected 90s, 30m or 8h, a week at most")
    return seconds


def tune_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="RECORDS.json", help="Records file; an existing one is continued."),
    ],
    target: TargetName = "native",
    shape: Shapes = None,
    tracker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Tracker of the devices; without one: this machine.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Key of the devices at the tracker.")] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time for everything, as 90s, 30m or 8h. [default: 20m]")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Tiles to measure, instead of a time; the defaults are in any case."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that the network will run with.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the random choices.")] = 0,
) -> None:
    """Measure tiles of a network's kernels on a device; `compile --records` then takes the best."""
    if (tracker is None) != (key is None):
        raise typer.BadParameter("--tracker and --key belong together")
    seconds = parse_budget(budget or _DEFAULT_BUDGET) if budget or trials is None else None
    with PhaseDisplay() as display:
        display("load compiler", 0)
        from separable.compiler.tuning.tune import TuneOptions

        display("load compiler", 1)
    _tune(
        TuneOptions(
            model=model,
            records=output,
            target=target,
            shapes=parse_shapes(shape or ()),
            tracker=tracker,
            key=key,
            budget_s=seconds,
            trials=trials,
            threads=threads,
            seed=seed,
        )
    )


def _tune(options: TuneOptions) -> None:
    from separable.compiler.peak import measure_peak
    from separable.compiler.pipeline import resolve_target, resolve_variants
    from separable.compiler.tuning.errors import NoDevice
    from separable.compiler.tuning.tune import tune_model
    from separable.compiler.tuning.view import TuneView, plot_curve, result_table, verdict_text

    row = resolve_target(options.target)
    if len(resolve_variants(options.target).rows) > 1:
        print_note(f"{options.target} is several CPUs in one library; tuned is {row.name}, for a library of its own")
    peak = measure_peak(options.threads).gflops if options.tracker is None and options.target == "native" else None
    with TuneView(peak) as view:
        try:
            tuned = tune_model(options, view)
        except (KeyboardInterrupt, NoDevice):
            print_note(f"what was measured is in {options.records}; the same command goes on from there")
            raise
    tried = Counter({name: row.trials for name, row in view.rows.items()})
    stdout().print(result_table(tuned, tried, peak))
    curve = options.records.with_name(f"{options.records.name}.png")
    facts = [
        ("trials", f"{tuned.trials} in {tuned.seconds:.0f} s"),
        ("network", verdict_text(tuned)),
        ("records", f"{options.records}, log {options.records.name}.log"),
    ]
    if plot_curve(view.curve, curve):
        facts.append(("plot", str(curve)))
    model, records = shell_path(options.model), shell_path(options.records)
    facts.append(("next", f"separable compile {model} --target {row.name} --records {records}"))
    print_facts(facts)
