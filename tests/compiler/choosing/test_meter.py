"""Networks run here, through a fleet, or not at all; how long they take does not matter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from separable.compiler.choosing.meter import (
    EstimateMeter,
    FleetMeter,
    LocalMeter,
    MeasurementFailed,
    Prepared,
    local_meter,
)
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model, emit_model
from separable.compiler.tuning.fleet import FixedSource, Fleet
from separable.compiler.tuning.local import LocalDevice
from tests.compiler.tiny import save_tiny


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("network")
    model = save_tiny(folder)
    built = build_model(CompileOptions(model), Phases())
    emit_model([built], "tiny", "native", 1, folder, Phases())
    return Prepared(model, built, folder / "tiny.so", folder)


def test_here_each_turn_is_a_process(network: Prepared) -> None:
    timed = LocalMeter(1).open(network).time(2)
    assert len(timed.turns_ms) == 2
    assert min(timed.turns_ms) > 0
    assert timed.bounds_ms is None


def test_a_library_that_does_not_run(network: Prepared, tmp_path: Path) -> None:
    library = tmp_path / "tiny.so"
    library.write_bytes(b"no library")
    with pytest.raises(MeasurementFailed, match=r"tiny does not run \(1\): .*not a shared library"):
        LocalMeter(1).open(Prepared(network.model, network.built, library, tmp_path)).time(1)


def test_on_a_fleet_outputs_are_compared(network: Prepared) -> None:
    with Fleet(FixedSource([LocalDevice()]), poll_s=0.01) as fleet:
        timed = FleetMeter(fleet, "device board", 1).open(network).time(1)
    assert len(timed.turns_ms) == 1
    assert timed.turns_ms[0] > 0


def test_an_estimate_runs_nothing(network: Prepared) -> None:
    timed = EstimateMeter(1).open(network).time(6)
    assert timed.bounds_ms is not None
    assert timed.bounds_ms[0] <= timed.turns_ms[0] <= timed.bounds_ms[1]


def test_what_this_machine_cannot_run() -> None:
    target = "arm64" if os.uname().machine == "x86_64" else "x86-64"
    with pytest.raises(MeasurementFailed, match="--tracker HOST:PORT --key KEY, or ask for --device estimate"):
        local_meter(target, 1)
    with pytest.raises(MeasurementFailed, match="--threads 5000"):
        local_meter("native", 5000)
