"""Tables on terminals that are too narrow for them, and help texts, of which nothing may be cut either."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import pytest
from rich.console import Console
from rich.table import Table

from separable.compiler.commands import tables, targets
from separable.compiler.commands.terminal import new_table
from separable.targets.table import all_targets
from separable.zoo.paper import TABLES

from .calls import call

NODES = "features.4.conv.0 + features.4.conv.1 + features.4.conv.2"
TILE = "Tile(rows=2, columns=7, vectors=1, unroll=3, pixels_outer=True, panel=0, narrow=True)"


def shown(table: Table, width: int) -> list[str]:
    """The lines of a table on a terminal."""
    file = io.StringIO()
    Console(file=file, width=width, markup=False, emoji=False, highlight=False).print(table)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in file.getvalue()
    return lines


def table_of(left: Iterable[str], right: Iterable[str], *rows: Iterable[str]) -> Table:
    table = new_table(left, right)
    for row in rows:
        table.add_row(*row)
    return table


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the verbs print to a terminal of 80 columns."""
    file = io.StringIO()
    console = Console(file=file, width=80, markup=False, emoji=False, highlight=False)
    for verb in (tables, targets):
        monkeypatch.setattr(verb, "stdout", lambda: console)
    return file


class TestTables:
    def test_one_with_room_is_as_wide_as_what_it_holds(self) -> None:
        table = table_of(["layer"], ["mult-adds", "in the core"], ["conv", "1.05 M", "12"])
        assert shown(table, 80)[:2] == ["layer  mult-adds  in the core", "conv      1.05 M           12"]

    def test_headers_and_texts_fold_but_numbers_do_not(self) -> None:
        table = table_of(["layer"], ["mult-adds", "in the core"], ["an average pool of all pixels", "1.05 M", "1234"])
        assert [line.rstrip() for line in shown(table, 40)] == [
            "                           mult-  in the",
            "layer                       adds    core",
            "an average pool of all    1.05 M    1234",
            "pixels",
        ]

    def test_what_has_no_room_is_below_its_row_with_its_header(self) -> None:
        table = table_of(["nodes", "tile", "kernel"], ["us", "share"], [NODES, TILE, "conv_0", "1234.5", "10.00 %"])
        lines = [line.rstrip() for line in shown(table, 70)]
        assert re.fullmatch(r"nodes +kernel +us +share", lines[0])
        assert re.fullmatch(r"features\.4\.conv\.0 \+ features\.4\.conv\.1 \+ +conv_0 +1234\.5 +10\.00 %", lines[1])
        assert lines[2] == "features.4.conv.2"
        assert " ".join(line.strip() for line in lines[3:]) == f"tile {TILE}"
        assert all(line.startswith("    ") for line in lines[3:])

    def test_an_empty_text_takes_no_line_below(self) -> None:
        table = table_of(["nodes", "tile"], ["us"], ["conv_0", TILE, "1"], ["pool", "", "2"])
        assert [line.split() for line in shown(table, 60)][-1] == ["pool", "2"]

    def test_the_last_numbers_go_below_when_no_text_is_left_to(self) -> None:
        numbers = [f"{1000.5 + index}" for index in range(12)]
        table = table_of(["network"], [f"latency{index}" for index in range(12)], ["0.25 MobileNet-128", *numbers])
        header, row, *below = shown(table, 80)
        assert row.split()[2:] == numbers[: len(header.split()) - 1]
        assert f"latency11 {numbers[-1]}" in " ".join(below)

    @pytest.mark.parametrize("width", [20, 40, 80, 120, 200, 300])
    def test_figures_are_whole_at_any_width(self, width: int) -> None:
        figures = ["12/345", "1234.5", "+10.35 %", "45.2"]
        left = ["kernel", "workload", "tile"]
        table = table_of(left, ["tried", "default us", "gain", "of peak"], ["conv_0", NODES, TILE, *figures])
        text = re.sub(r"\s+", " ", " ".join(shown(table, width)))
        assert [figure for figure in figures if figure not in text] == []

    def test_targets_have_their_names_and_numbers(self, narrow: io.StringIO) -> None:
        targets.targets_command()
        rows = {line.split()[0]: line.split() for line in narrow.getvalue().splitlines() if line.strip()}
        for target in all_targets():
            assert rows[target.name][1:5] == [
                target.arch,
                target.cpu,
                str(target.vector_bits),
                str(target.vector_registers),
            ]
        assert "…" not in narrow.getvalue()

    @pytest.mark.parametrize("number", [8, 13])
    def test_the_papers_tables_have_their_models_and_costs(self, number: int, narrow: io.StringIO) -> None:
        tables.tables_command([number])
        printed = next(table for table in TABLES if table.number == number)
        text = narrow.getvalue()
        assert "…" not in text
        for row in printed.rows:
            words = row.model.split()
            costs = rf"{row.accuracy} +{row.mult_adds} .* {row.parameters} "
            assert re.search(rf"{re.escape(' '.join(words[:2]))}[^\n]* {costs}", text)
            assert words[-1] in text


class TestHelp:
    @pytest.mark.parametrize(
        ("verb", "defaults"),
        [
            ("compile", ["MODEL-TARGET", "MODEL"]),
            ("run", ["what it was compiled with; 1 with --profile", "big", "the best here"]),
            ("verify", ["1e-4, for fp16 5e-2"]),
            ("tune", ["20m"]),
            ("choose", ["the paper's"]),
        ],
    )
    @pytest.mark.parametrize("columns", ["80", "200"])
    def test_defaults_are_shown(
        self, verb: str, defaults: list[str], columns: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", columns)
        text = re.sub(r"\s+", " ", call(verb, "--help").stdout)
        assert [default for default in defaults if f"[default: {default}]" not in text] == []

    @pytest.mark.parametrize("verb", ["choose", "records", "tune"])
    def test_nothing_is_cut(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        lines = call(verb, "--help").stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert not any("…" in line or re.search(r"[a-z]\.\.\.$", line) for line in lines)

    def test_verbs_are_listed_with_whole_sentences(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        text = re.sub(r"\s+", " ", call("--help").stdout)
        assert "its weights are random unless --weights is given." in text
