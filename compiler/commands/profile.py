"""``separable run --profile``: the time of every kernel, beside what the core can do at most."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from separable.compiler.commands.terminal import new_table, stdout
from separable.compiler.commands.units import percent_text
from separable.compiler.peak import Peak, measure_peak
from separable.runtime.loader import KernelTime, Model


def print_profile(model: Model, inputs: Mapping[str, NDArray[Any]], *, threads: int, repeat: int) -> None:
    """Print the median time of each kernel over ``repeat`` runs, with GFLOPS, GB/s and share of the peak.

    Args:
        model: loaded with ``threads`` threads.
        inputs: arrays by input name.
        threads: how many run at once; the peak is measured on as many.
        repeat: number of runs.
    """
    runs = [model.profile(inputs) for _ in range(repeat)]
    kernels = [_median(times) for times in zip(*runs, strict=True)]
    peak = measure_peak(threads)
    total = sum(kernel.nanoseconds for kernel in kernels)
    table = new_table(["nodes", "kernel"], ["us", "share", "GFLOPS", "GB/s", "of peak"])
    for kernel in kernels:
        table.add_row(kernel.name, kernel.kernel, *_cells(kernel, total, peak))
    flops, traffic = (sum(counts) for counts in zip(*((k.flops, k.bytes) for k in kernels), strict=True))
    table.add_row("sum", "", *_cells(KernelTime("", "", total, flops, traffic), total, peak), style="bold")
    stdout().print(table)
    stdout().print(f"peak: {peak}", soft_wrap=True)
    for algorithm in ("winograd", "strassen"):
        if any(kernel.kernel.startswith(algorithm) for kernel in kernels):
            stdout().print(
                f"{algorithm}: all multiply-adds of the convolution count, and fewer are computed", soft_wrap=True
            )


def _median(times: Sequence[KernelTime]) -> KernelTime:
    """One kernel of several runs, at its median time."""
    first = times[0]
    nanoseconds = round(statistics.median(time.nanoseconds for time in times))
    return KernelTime(first.name, first.kernel, nanoseconds, first.flops, first.bytes)


def _cells(kernel: KernelTime, total: int, peak: Peak) -> tuple[str, ...]:
    nanoseconds = max(kernel.nanoseconds, 1)  # the clock may not see an empty kernel
    gflops = kernel.flops / nanoseconds
    return (
        f"{kernel.nanoseconds / 1e3:.1f}",
        percent_text(kernel.nanoseconds, total),
        f"{gflops:.1f}",
        f"{kernel.bytes / nanoseconds:.1f}",
        percent_text(gflops, peak.gflops),
    )
