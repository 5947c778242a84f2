"""The whole network decides: what loses there goes back to its default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model
from separable.compiler.tuning.candidate import CandidateFailed
from separable.compiler.tuning.fleet import FixedSource, Fleet
from separable.compiler.tuning.local import LocalDevice
from separable.compiler.tuning.network import Duel, NetworkBench, Turn, read_turn
from separable.compiler.tuning.tasks import tasks_of
from separable.schedules import depthwise
from separable.schedules.space import Tile
from tests.compiler.tiny import save_tiny
from tests.compiler.tuning.samples import finished

GOOD = {"samples_ns": [10, 12], "kernels": {"a_0": [4, 5]}, "max_error": 1e-6, "frequency_khz": None, "cpu": 0}


def make_duel(ratio: float, kernels: Mapping[str, float], rounds: int = 12, lost: int = 0) -> Duel:
    """A duel in which the tuned network takes ``ratio`` of the default's time, but loses some rounds."""
    default = Turn([1000.0], {name: [100.0] for name in kernels}, "device")
    tuned = Turn([1000.0 * ratio], {name: [100.0 * part] for name, part in kernels.items()}, "device")
    loser = Turn([1001.0], tuned.kernels, "device")
    return Duel([*[tuned] * (rounds - lost), *[loser] * lost], [default] * rounds)


class TestDuel:
    @pytest.mark.parametrize(("rounds", "lost", "sure"), [(12, 0, True), (12, 2, True), (12, 3, False), (5, 0, False)])
    def test_doubt(self, rounds: int, lost: int, sure: bool) -> None:
        assert make_duel(0.99, {}, rounds, lost).faster_beyond_doubt is sure

    def test_an_equal_network_is_not_faster(self) -> None:
        assert not make_duel(1.0, {}).faster_beyond_doubt

    def test_kernels(self) -> None:
        duel = make_duel(0.9, {"a": 0.5, "b": 1.5})
        assert (duel.kernel_ratio("a"), duel.kernel_ratio("b")) == (0.5, 1.5)
        assert duel.saved_ns("a") == 50.0


class Judged(NetworkBench):
    """Duels by a function of the tiles."""

    def __init__(self, gains: Mapping[str, float], whole: Any, lost: int = 0) -> None:
        self.gains, self.whole, self.lost, self.held = gains, whole, lost, 0

    def duel(self, tiles: Mapping[str, Tile]) -> Duel:
        self.held += 1
        return make_duel(self.whole(tiles), {name: self.gains[name] for name in tiles}, lost=self.lost)


def winners(*names: str) -> dict[str, Tile]:
    return {name: depthwise.Tile(1, 2) for name in names}


class TestDecide:
    def test_what_wins_stays(self) -> None:
        verdict = Judged({"a": 0.9, "b": 0.8}, lambda tiles: 0.9).decide(winners("a", "b"))
        assert set(verdict.tiles) == {"a", "b"}
        assert not verdict.dropped
        assert verdict.duel is not None
        assert verdict.duel.ratio == pytest.approx(0.9)

    def test_a_kernel_that_loses_in_the_network_goes(self) -> None:
        bench = Judged({"a": 0.9, "b": 1.1}, lambda tiles: 0.95)
        verdict = bench.decide(winners("a", "b"))
        assert (set(verdict.tiles), list(verdict.dropped), bench.held) == ({"a"}, ["b"], 2)

    def test_the_half_that_gains_least_goes_until_the_network_wins(self) -> None:
        gains = {"a": 0.5, "b": 0.9, "c": 0.98, "d": 0.97}
        bench = Judged(gains, lambda tiles: 0.9 if "d" not in tiles else 1.01)
        assert set(bench.decide(winners(*gains)).tiles) == {"a", "b"}

    def test_a_network_that_never_wins_stays_as_it_is(self) -> None:
        bench = Judged({"a": 0.9, "b": 0.9, "c": 0.9}, lambda tiles: 1.0)
        verdict = bench.decide(winners("a", "b", "c"))
        assert not verdict.tiles
        assert set(verdict.dropped) == {"a", "b", "c"}

    def test_when_the_time_is_over_what_is_in_doubt_goes(self) -> None:
        bench = Judged({"a": 0.9, "b": 1.1}, lambda tiles: 0.95)
        verdict = bench.decide(winners("a", "b"), deadline=0.0)
        assert (dict(verdict.tiles), bench.held) == ({}, 1)

    def test_what_is_in_doubt_gets_more_rounds(self) -> None:
        bench = Judged({"a": 0.9}, lambda tiles: 0.99, lost=3)  # 12 rounds leave a doubt, 24 do not
        verdict = bench.decide(winners("a"))
        assert (set(verdict.tiles), bench.held) == ({"a"}, 2)
        assert verdict.duel is not None
        assert str(verdict.duel) == "0.990 (6 of 24 rounds lost)"

    def test_nothing_to_decide(self) -> None:
        verdict = Judged({}, lambda tiles: 1.0).decide({})
        assert not verdict.tiles
        assert verdict.duel is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples_ns": []}, "something else"),
        ({"samples_ns": None}, "no result"),
        ({"kernels": []}, "no result"),
        ({"kernels": {"a": ["x"]}}, "no result"),
        ({"max_error": 0.5}, "something else"),
        ({"max_error": "small"}, "no result"),
    ],
)
def test_reports_that_are_none(change: dict[str, object], message: str) -> None:
    with pytest.raises(CandidateFailed, match=message):
        read_turn(finished(json.dumps({**GOOD, **change})))


def test_a_report_is_read() -> None:
    turn = read_turn(finished(json.dumps(GOOD)))
    assert (turn.whole, turn.kernels) == ([10.0, 12.0], {"a_0": [4.0, 5.0]})
    with pytest.raises(CandidateFailed, match="signal 4"):
        read_turn(finished(returncode=-4))


@pytest.fixture
def network(tmp_path: Path) -> Any:
    model = save_tiny(tmp_path)
    built = build_model(CompileOptions(model), Phases())
    with Fleet(FixedSource([LocalDevice()]), poll_s=0.01) as fleet:
        yield NetworkBench(built, fleet, tmp_path, model=model, threads=2, cpus="", rounds=2), tasks_of(built)


def test_networks_run_and_take_turns(network: Any) -> None:
    bench, tasks = network
    tiles = {task.name: task.space.tiles[-1] for task in tasks}
    duel = bench.duel(tiles)
    assert len(duel.ratios) == 2
    assert all(duel.kernel_ratio(task.name) > 0 for task in tasks)
    assert all(turn.device.startswith("this machine") for turn in (*duel.tuned, *duel.default))


def test_a_wrong_network_is_found_out(network: Any, tmp_path: Path) -> None:
    bench, tasks = network
    path = tmp_path / "expected0.bin"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(CandidateFailed, match="network computes something else"):
        bench.duel({tasks[0].name: tasks[0].space.tiles[-1]})
