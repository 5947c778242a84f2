"""``separable choose``: the paper's question, which width and resolution fit this device and budget."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from separable.compiler.commands.compile import TargetName
from separable.compiler.commands.terminal import new_table, print_facts, print_note, stderr, stdout
from separable.compiler.commands.units import bytes_text, count_text, parse_bytes, parse_latency

if TYPE_CHECKING:
    from separable.compiler.choosing.choose import Budget, Row
    from separable.compiler.choosing.member import Member
    from separable.compiler.choosing.meter import Meter
    from separable.compiler.choosing.results import ResultsFile

T = TypeVar("T")

_QUIET_LOAD = 0.5


class Where(StrEnum):
    """Where latencies come from, without a tracker."""

    HERE = "here"
    ESTIMATE = "estimate"


def choose_command(
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Longest median latency, as 5ms, 800us or 0.1s.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Most memory: weights, arena and scratch, as 20MB.")
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="BYTES", help="Largest library, as 10MB.")] = None,
    accuracy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Your own family: a header line, and columns alpha, resolution, accuracy or model, accuracy. "
            "[default: the paper's]",
        ),
    ] = None,
    interpolate: Annotated[
        bool,
        typer.Option(
            "--interpolate/--printed-only",
            help="The paper prints accuracies of eight of its sixteen networks: interpolate the others, or leave out.",
        ),
    ] = True,
    target: TargetName = "native",
    threads: Annotated[int, typer.Option(min=1, help="Threads that the networks run with.")] = 1,
    device: Annotated[
        Where, typer.Option(help="This machine, or estimated from the target's row; nothing runs then.")
    ] = Where.HERE,
    tracker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Tracker of the devices to measure on.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Key of the devices at the tracker.")] = None,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE.jsonl", help="Results; what it holds is not measured again."),
    ] = Path("choose.jsonl"),
) -> None:
    """Compile and measure a family of networks; name the most accurate one within the budget."""
    if (tracker is None) != (key is None):
        raise typer.BadParameter("--tracker and --key belong together")
    if tracker is not None and device is Where.ESTIMATE:
        raise typer.BadParameter("an estimate needs no --tracker: leave out one of both")
    latency_s = _parsed("--budget", parse_latency, budget)
    sizes = _parsed("--memory", parse_bytes, memory), _parsed("--size", parse_bytes, size)
    from separable.compiler.commands.family import listed_family, paper_family

    members = listed_family(accuracy) if accuracy else paper_family(interpolate=interpolate)
    with stderr().status("loading the compiler"):
        from separable.compiler.choosing.choose import Budget
        from separable.compiler.choosing.results import ResultsFile

    limits = Budget(None if latency_s is None else 1e3 * latency_s, *sizes)
    with ResultsFile(output) as results, _meter(target, threads, device, tracker, key) as meter:
        for note in results.notes:
            print_note(note)
        rows = _measure(members, limits, target, threads, meter, results, output)
        where = f"{meter.device}, {threads} thread{'s' * (threads > 1)}"
    _report(rows, limits, where, output, "accuracy" if accuracy else "ImageNet top-1, %")


def _parsed(option: str, parse: Callable[[str], T], text: str | None) -> T | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from error


@contextmanager
def _meter(target: str, threads: int, device: Where, tracker: str | None, key: str | None) -> Iterator[Meter]:
    from separable.compiler.choosing.meter import EstimateMeter, FleetMeter, local_meter

    if tracker is not None and key is not None:
        from separable.compiler.tuning.fleet import Fleet
        from separable.compiler.tuning.remote import TrackerSource
        from separable.compiler.tuning.sockets import parse_address

        with Fleet(TrackerSource(parse_address(tracker), key), notify=print_note) as fleet:
            yield FleetMeter(fleet, f"device {key}", threads)
    elif device is Where.ESTIMATE:
        yield EstimateMeter(threads)
    else:
        load = os.getloadavg()[0]
        if load > _QUIET_LOAD:
            print_note(f"other processes are busy (load {load:.1f}): what is measured may mislead")
        yield local_meter(target, threads)


def _measure(
    members: Sequence[Member],
    budget: Budget,
    target: str,
    threads: int,
    meter: Meter,
    results: ResultsFile,
    path: Path,
) -> list[Row]:
    from separable.compiler.choosing.choose import Bench, measure_family
    from separable.compiler.choosing.view import FamilyView

    with (
        tempfile.TemporaryDirectory(prefix="separable-choose-") as folder,
        FamilyView((1 + meter.repeats) * len(members)) as view,
    ):
        try:
            return measure_family(members, budget, Bench(target, threads, meter, results, view, Path(folder)))
        except KeyboardInterrupt:
            print_note(f"what was measured is in {path}; the same command goes on from there")
            raise


def _report(rows: Sequence[Row], budget: Budget, where: str, path: Path, kind: str) -> None:
    """Print the table, draw the plot and name the choice; without a budget there is none."""
    from separable.compiler.choosing.choose import choose, pareto_front
    from separable.compiler.choosing.plot import plot_family

    front = pareto_front(rows)
    stdout().print(where)
    numbers = ["latency ms", "low", "high", "mult-adds", "parameters", "library", "memory"]
    table = new_table(["network", "front", "budget"], [kind, *numbers])
    table.add_column("accuracy from", overflow="fold")
    for row in sorted(rows, key=lambda row: row.latency.median):
        known = row.member.accuracy
        table.add_row(
            row.member.title,
            "*" if row in front else "",
            ("fits" if row.fits(budget) else "over") if budget.given else "",
            str(known) if known else "",
            *(f"{time:.3f}" for time in (row.latency.median, row.latency.low, row.latency.high)),
            *map(count_text, (row.mult_adds, row.parameters)),
            *map(bytes_text, (row.result.file_bytes, row.result.memory_bytes)),
            known.source if known else "not printed",
        )
    stdout().print(table)
    pick = (
        choose(rows, budget) if budget.given and any(row.member.accuracy and row.fits(budget) for row in rows) else None
    )
    plot = path.with_name(f"{path.name}.png")
    drawn = plot_family(rows, pick, budget, plot, ylabel=kind, title=where)
    facts = [("results", str(path)), *([("plot", str(plot))] if drawn else [])]
    if pick is not None:
        facts = [("choice", _choice_text(pick)), *facts, ("next", pick.member.next)]
    print_facts(facts)
    if pick is not None:
        _warn(pick, rows, budget)
    elif budget.given:
        choose(rows, budget)  # says why there is none


def _choice_text(pick: Row) -> str:
    assert pick.member.accuracy is not None
    latency = pick.latency
    return (
        f"{pick.member.title}: accuracy {pick.member.accuracy} ({pick.member.accuracy.source}), "
        f"{latency.median:.3f} ms ({latency.low:.3f} to {latency.high:.3f})"
    )


def _warn(pick: Row, rows: Sequence[Row], budget: Budget) -> None:
    """What may be wrong with the choice."""
    from separable.compiler.choosing.choose import choose

    assert pick.member.accuracy is not None
    if budget.latency_ms is not None and pick.latency.high > budget.latency_ms:
        print_note(f"its latency may be up to {pick.latency.high:.3f} ms, which is above the budget")
    printed = [row for row in rows if row.member.accuracy and not row.member.accuracy.interpolated]
    if pick.member.accuracy.interpolated and any(row.fits(budget) for row in printed):
        other = choose(printed, budget)
        print_note(
            f"the paper does not print its accuracy, {pick.member.accuracy} is interpolated; of those that it prints, "
            f"{_choice_text(other)} is the best within the budget"
        )
