"""What the benchmark of estimates makes of times; none is measured for its own sake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from separable.benchmarks import estimate as benchmark
from separable.benchmarks.estimate import Bench, Timing, Trial, app, kinds_table, median_error, trials_table
from separable.compiler.estimate import Estimate, KernelEstimate
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import find_target
from tests.compiler.tiny import save_tiny


def trial(model: str, measured: float, estimated: float) -> Trial:
    kernels = (
        KernelEstimate(("a",), "conv_0", 0.75 * estimated, 3, 2, 1, "core", 10),
        KernelEstimate(("b",), "conv_1", 0.25 * estimated, 3, 2, 1, "core", 10),
    )
    estimate = Estimate("native", 1, 3.7, estimated, 0.9 * estimated, 1.2 * estimated, kernels, 100, 20, True)
    return Trial(model, estimate, Timing(measured, (500 * measured, 500 * measured), 3.5))


def lines(table: Table) -> list[list[str]]:
    console = Console(width=150)
    with console.capture() as capture:
        console.print(table)
    return [line.split() for line in capture.get().splitlines()]


def test_errors_go_both_ways_and_their_median_is_of_their_size() -> None:
    trials = [trial("a", 1.0, 1.2), trial("b", 2.0, 1.8), trial("c", 1.0, 0.7)]
    assert [trial.error for trial in trials] == pytest.approx([0.2, -0.1, -0.3])
    assert median_error(trials) == pytest.approx(0.2)
    assert [trial.inside for trial in trials] == [False, True, False]


def test_the_tables_show_networks_and_kinds_of_kernels() -> None:
    trials = [trial("v1", 1.0, 1.2), trial("v2", 2.0, 1.8)]
    _, first, second = lines(trials_table(trials))
    assert first == ["v1", "native", "1", "1.000", "1.200", "1.080", "1.440", "+20.0%", "3.50", "3.70"]
    assert second[7] == "-10.0%"
    _, kind = lines(kinds_table(trials))
    assert kind == ["conv", "4", "100.0%", "1.00", "48%"]


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def measure(library: Path, threads: int, target: Target) -> Timing:
        calls.append(threads)
        return Timing(float(len(calls)), (1.0,) * 5, 3.0)

    monkeypatch.setattr(benchmark, "measure", measure)
    model = save_tiny(tmp_path)
    first = Bench(tmp_path, again=False).trials(model, "native", [1])
    resumed = Bench(tmp_path, again=False).trials(model, "native", [1, 2])
    again = Bench(tmp_path, again=True).trials(model, "native", [1])
    assert calls == [1, 2, 1]
    assert [trial.timing.milliseconds for trial in (*first, *resumed, *again)] == [1, 1, 2, 3]
    assert first[0].estimate == resumed[0].estimate


def test_a_library_is_timed_as_a_whole_and_by_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_SECONDS", 0)
    (measured,) = Bench(tmp_path, again=False).trials(save_tiny(tmp_path), "native", [1])
    assert measured.timing.milliseconds > 0
    assert len(measured.timing.kernels_us) == len(measured.estimate.kernels)
    assert measured.timing.ghz > 0


def test_another_rows_code_is_estimated_with_the_caches_of_this_machine() -> None:
    host = replace(detect_host(), l2_bytes=12345, ghz=1.5)
    row = find_target("x86-64-v3")
    mixed = benchmark.on_this_machine(row, host)
    assert (mixed.l2_bytes, mixed.ghz, mixed.memory_gb_per_s) == (12345, 1.5, host.memory_gb_per_s)
    assert (mixed.name, mixed.vector_bits, mixed.fma_per_cycle) == (row.name, row.vector_bits, row.fma_per_cycle)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "none.onnx"], "is neither a file nor a network"),
        (["--threads", "0"], "'0' threads"),
        (["--models", "{tiny}", "--targets", "arm64:cortex-a99"], "unknown target"),
    ],
)
def test_an_error_is_told_without_a_traceback(arguments: list[str], message: str, tmp_path: Path) -> None:
    tiny = save_tiny(tmp_path)
    words = [argument.format(tiny=tiny) for argument in arguments]
    result = CliRunner().invoke(app, [*words, "--results", str(tmp_path)])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert message in result.stderr
