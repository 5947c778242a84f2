"""``separable tables``: the paper's tables beside what the zoo's networks cost."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from separable.compiler.commands.terminal import new_table, stderr, stdout
from separable.compiler.commands.zoo import without_torch
from separable.compiler.errors import InputError
from separable.zoo.paper import SHARES_TITLE, TABLES, Table

if TYPE_CHECKING:
    from separable.zoo.compare import Compared, ComparedRow

_SHARES = 2
_NUMBERS = (_SHARES, *(table.number for table in TABLES))


def tables_command(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[N ...]", help="Tables; all unless given.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Print the paper's tables beside the costs computed from the architectures, and why some differ."""
    wanted = numbers or _NUMBERS
    if unknown := [number for number in wanted if number not in _NUMBERS]:
        raise InputError(f"there is no table {unknown[0]} here; those with costs are {', '.join(map(str, _NUMBERS))}")
    if as_csv:
        _print_csv(wanted)
        return
    for number in wanted:
        _print_table(number)


def _rows(number: int) -> Sequence[ComparedRow]:
    try:
        from separable.zoo.compare import compare_shares, compare_table
    except ModuleNotFoundError as error:
        raise without_torch(error) from error
    with stderr().status(f"counting the networks of Table {number}"):
        return compare_shares() if number == _SHARES else compare_table(_table(number))


def _print_table(number: int) -> None:
    rows = _rows(number)
    title, accuracy, unit = _headings(number)
    explained = f"; accuracy is {accuracy}" if accuracy else ""  # too long for the head of a column
    stdout().print(f"Table {number}: {title}{explained}", style="bold")
    table = new_table(
        ["model"],
        [
            *(["accuracy"] if accuracy else []),
            *(heading for what in unit for heading in (what, "computed", "diff, %")),
        ],
    )
    for row in rows:
        numbers = [cell for compared in (row.mult_adds, row.parameters) for cell in _cells(compared)]
        table.add_row(row.model, *([row.accuracy] if accuracy else []), *numbers)
    stdout().print(table)
    for row in rows:
        if row.remark:
            stdout().print(f"  {row.model}: {row.remark}", soft_wrap=True)
    stdout().print()


def _print_csv(numbers: Iterable[int]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    columns = ("paper", "computed", "difference_percent")
    costs = [f"{what}_{column}" for what in ("mult_adds", "parameters") for column in columns]
    writer.writerow(["table", "model", "accuracy", "accuracy_kind", "mult_adds_unit", *costs, "remark"])
    for number in numbers:
        _, accuracy, unit = _headings(number)
        for row in _rows(number):
            compared = [cell for cost in (row.mult_adds, row.parameters) for cell in _csv_cells(cost)]
            writer.writerow([number, row.model, row.accuracy, accuracy, unit[0].split()[0], *compared, row.remark])


def _headings(number: int) -> tuple[str, str, tuple[str, str]]:
    """Title, kind of accuracy, and what the two costs are."""
    if number == _SHARES:
        return SHARES_TITLE, "", ("% mult-adds", "% params")
    table = _table(number)
    return table.title, table.accuracy, (f"{'G' if table.unit == 1e9 else 'M'} mult-adds", "M params")


def _table(number: int) -> Table:
    return next(table for table in TABLES if table.number == number)


def _cells(compared: Compared) -> tuple[str, str, str]:
    difference = "" if compared.difference is None else f"{100 * compared.difference:+.2f}"
    return compared.printed, compared.text, difference


def _csv_cells(compared: Compared) -> tuple[str, str, str]:
    difference = "" if compared.difference is None else f"{100 * compared.difference:.2f}"
    return compared.printed, compared.text, difference
