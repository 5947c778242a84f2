"""``separable records``: look at, merge and check what tunings measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separable.compiler.commands.compile import Shapes, TargetName, parse_shapes
from separable.compiler.commands.terminal import Verbs, new_table, print_facts, print_note, stdout

records = typer.Typer(cls=Verbs, no_args_is_help=True, help="Show, merge and check the records of tunings.")

Files = Annotated[list[Path], typer.Argument(metavar="RECORDS.json...", help="Records files.")]


@records.command("show")
def show_command(files: Files) -> None:
    """Show the tile that each workload would be compiled with."""
    from separable.compiler.tuning.apply import describe
    from separable.compiler.tuning.records import best_records, load_all
    from separable.compiler.tuning.view import short

    loaded = load_all(files)
    table = new_table(["workload", "target", "tile", "measured in", "device", "date"], ["threads", "us"])
    for record in best_records(loaded.records).values():
        table.add_row(
            describe(record.workload),
            record.target,
            short(record.tile),
            record.stage,
            record.device,
            record.date,
            str(record.threads),
            f"{record.nanoseconds / 1e3:.1f}",
        )
    stdout().print(table)
    _print_notes(loaded.notes)
    print_facts([("records", str(len(loaded.records)))])


@records.command("merge")
def merge_command(
    files: Files,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RECORDS.json", help="The file to write.")],
    best: Annotated[bool, typer.Option("--best", help="Keep only what networks would be compiled with.")] = False,
) -> None:
    """Write the records of several files to one, each once."""
    from separable.compiler.tuning.records import load_records, merge_records

    merged = merge_records(files, output, best=best)
    _print_notes(merged.notes)
    written = load_records(output)
    print_facts([("records", f"{len(written.records)} of {len(merged.records)} in {output}")])


@records.command("verify")
def verify_command(files: Files) -> None:
    """Check that files are whole and sound; the first malformed line is named."""
    from separable.compiler.tuning.records import load_records

    for path in files:
        loaded = load_records(path)
        _print_notes(loaded.notes)
        targets = ", ".join(sorted({record.target for record in loaded.records}))
        print_facts([(str(path), f"{len(loaded.records)} records for {targets or 'no target'}")])


@records.command("nearest")
def nearest_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network.")],
    files: Files,
    target: TargetName = "native",
    threads: Annotated[int, typer.Option(min=1, help="Threads that the network will run with.")] = 1,
    shape: Shapes = None,
) -> None:
    """Show for every kernel of a network which record it would be compiled with."""
    from separable.compiler.options import CompileOptions
    from separable.compiler.pipeline import Phases, build_model
    from separable.compiler.tuning.apply import RecordedTiles, describe
    from separable.compiler.tuning.tasks import tasks_of
    from separable.compiler.tuning.view import short

    built = build_model(CompileOptions(model, target, shapes=parse_shapes(shape or ())), Phases())
    recorded = RecordedTiles(files, built.target, threads)
    table = new_table(["kernel", "workload", "schedule", "tile", "from"], [])
    for task in tasks_of(built):
        chosen = recorded.choose(task.workload)
        source, tile = (chosen.source, chosen.tile) if chosen else ("default", task.space.default)
        origin = describe(chosen.origin) if chosen and chosen.origin else ""
        table.add_row(task.name, describe(task.workload), source, short(tile), origin)
    stdout().print(table)
    _print_notes(recorded.notes)


def _print_notes(notes: list[str] | tuple[str, ...]) -> None:
    for note in notes:
        print_note(note)
