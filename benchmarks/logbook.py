"""What a series of contests has measured so far, and the files that keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from separable.benchmarks.contest import Contest
from separable.benchmarks.layers import LayerTime
from separable.benchmarks.page import results_page
from separable.benchmarks.plots import latency_plot
from separable.benchmarks.report import csv_text, json_text
from separable.compiler.files import write_whole


@dataclass
class Logbook:
    """Contests in the order in which they were held.

    Attributes:
        stem: the path of the files, without their suffixes; its folder exists.
        machine: where they were measured.
        contests: what was measured.
        layers: our kernels on one thread, by model.
        failures: models that could not be measured, or not with every number of threads, and why.
    """

    stem: Path
    machine: Mapping[str, str]
    contests: list[Contest] = field(default_factory=list)
    layers: dict[str, list[LayerTime]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def save(self) -> None:
        """Write CSV and JSON, so that nothing is lost should a later contest take the process with it."""
        if self.contests:
            self._write(".csv", csv_text(self.contests))
            self._write(".json", json_text(self.contests, self.layers, self.machine, self.failures))

    def save_with_pictures(self) -> None:
        """Write plot and page too."""
        if self.contests:
            self.save()
            self._write(".svg", latency_plot(self.contests))
            self._write(".html", results_page(self.contests, self.layers, self.machine))

    def _write(self, suffix: str, text: str) -> None:
        # Not with_suffix, which would take the stem's own dots for a suffix.
        write_whole(self.stem.with_name(self.stem.name + suffix), text)
