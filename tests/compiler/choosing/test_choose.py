"""What is measured how often, and what is chosen; times come from a function, never from a clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from separable.compiler.choosing.choose import Bench, Budget, Row, choose, measure_family, pareto_front
from separable.compiler.choosing.member import FamilyError, Member
from separable.compiler.choosing.meter import Prepared, Session, Timed
from separable.compiler.choosing.results import ResultsFile
from separable.compiler.tuning.errors import DeviceLost
from tests.compiler.choosing.samples import make_member, make_row
from tests.compiler.tiny import save_tiny

Times = Callable[[str, int], float]


class Silent:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def phase(self, member: Member, what: str) -> None:
        """Nothing to show."""

    def done(self, row: Row, how: str) -> None:
        self.told.append((row.member.title, how))


class FakeMeter:
    """The time of the n-th turn of a network by a function; no library is loaded."""

    device = "this machine (test)"

    def __init__(self, times: Times, repeats: bool = True) -> None:
        self.times, self.repeats = times, repeats
        self.turns: dict[str, int] = {}

    def open(self, network: Prepared) -> Session:
        raise AssertionError("the bench below opens no networks")


class FakeSession:
    def __init__(self, meter: FakeMeter, title: str) -> None:
        self.meter, self.title = meter, title

    def time(self, turns: int) -> Timed:
        done = self.meter.turns.get(self.title, 0)
        self.meter.turns[self.title] = done + turns
        bounds = None if self.meter.repeats else (0.5, 9.0)
        return Timed(tuple(self.meter.times(self.title, done + turn) for turn in range(turns)), bounds)


class FakeBench(Bench):
    """Compiles nothing."""

    def _session(self, member: Member) -> tuple[Session, dict[str, object]]:
        sizes = {"file_bytes": 10, "weight_bytes": 8, "arena_bytes": 4, "scratch_bytes": 2, "mult_adds": 7}
        assert isinstance(self._meter, FakeMeter)
        return FakeSession(self._meter, member.title), {**sizes, "kernels": [{"parameters": 3}]}


FAMILY = [make_member("fast", 50.0), make_member("middle", 60.0), make_member("slow", 70.0)]
MS = {"fast": 1.0, "middle": 4.0, "slow": 10.0}


def measure(path: Path, meter: FakeMeter, budget: Budget) -> tuple[list[Row], Silent]:
    watcher = Silent()
    with ResultsFile(path) as results:
        return measure_family(FAMILY, budget, FakeBench("native", 2, meter, results, watcher, path.parent)), watcher


class TestMeasuring:
    def test_every_member_twice(self, tmp_path: Path) -> None:
        meter = FakeMeter(lambda title, turn: MS[title])
        rows, watcher = measure(tmp_path / "r.jsonl", meter, Budget(5.0))
        assert meter.turns == dict.fromkeys(MS, 6)
        assert [row.latency.median for row in rows] == list(MS.values())
        assert watcher.told == [(title, how) for how in ("first turns", "all turns") for title in MS]
        assert rows[0].result.memory_bytes == 8 + 4 + 2 * 2
        assert (rows[0].mult_adds, rows[0].parameters) == (7, 3)

    def test_near_the_budget_more_often(self, tmp_path: Path) -> None:
        meter = FakeMeter(lambda title, turn: {**MS, "middle": (4.9, 5.1)[turn % 2]}[title])
        measure(tmp_path / "r.jsonl", meter, Budget(5.0))
        assert meter.turns == {"fast": 6, "middle": 30, "slow": 6}

    def test_a_slow_moment_does_not_decide(self, tmp_path: Path) -> None:
        meter = FakeMeter(lambda title, turn: MS[title] * (3 if title == "middle" and turn in (1, 2, 4, 5) else 1))
        rows, _ = measure(tmp_path / "r.jsonl", meter, Budget(5.0))
        assert choose(rows, Budget(5.0)).member.title == "middle"

    def test_what_cannot_be_the_choice_is_not_measured_more(self, tmp_path: Path) -> None:
        meter = FakeMeter(lambda title, turn: {**MS, "fast": 5.0}[title])
        measure(tmp_path / "r.jsonl", meter, Budget(5.0))
        assert meter.turns["fast"] == 6

    def test_what_is_too_large_is_not_measured_more(self, tmp_path: Path) -> None:
        meter = FakeMeter(lambda title, turn: 5.0)
        measure(tmp_path / "r.jsonl", meter, Budget(5.0, file_bytes=9))
        assert set(meter.turns.values()) == {6}

    def test_the_next_run_measures_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "r.jsonl"
        rows, _ = measure(path, FakeMeter(lambda title, turn: MS[title]), Budget(5.0))
        again = FakeMeter(lambda title, turn: 99.0)
        known, watcher = measure(path, again, Budget(3.0))
        assert not again.turns
        assert [row.latency for row in known] == [row.latency for row in rows]
        assert {how for _, how in watcher.told} == {"by an earlier run"}

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), DeviceLost("gone")], ids=["Ctrl-C", "lost"])
    def test_an_interrupted_run_is_gone_on_with(self, tmp_path: Path, error: BaseException) -> None:
        def times(title: str, turn: int) -> float:
            if title == "slow":
                raise error
            return MS[title]

        with pytest.raises(type(error)):
            measure(tmp_path / "r.jsonl", FakeMeter(times), Budget(5.0))
        meter = FakeMeter(lambda title, turn: MS[title])
        measure(tmp_path / "r.jsonl", meter, Budget(5.0))
        assert meter.turns == {"fast": 3, "middle": 3, "slow": 6}

    def test_an_estimate_is_made_once(self, tmp_path: Path) -> None:
        meter = FakeMeter(lambda title, turn: MS[title], repeats=False)
        rows, _ = measure(tmp_path / "r.jsonl", meter, Budget(5.0))
        assert meter.turns == dict.fromkeys(MS, 1)
        assert rows[1].latency.high == 9.0
        measure(tmp_path / "r.jsonl", meter, Budget(5.0))
        assert meter.turns == dict.fromkeys(MS, 1)


ROWS = [
    make_row("a", 50.0, 1.0, sizes=(2, 3)),
    make_row("b", 49.0, 1.5),
    make_row("c", 60.0, 4.0),
    make_row("d", 60.0, 3.0, sizes=(10, 12)),
    make_row("unknown", None, 0.1),
    make_row("e", 70.0, 10.0),
]


class TestChoice:
    @pytest.mark.parametrize(
        ("budget", "title"),
        [
            (Budget(5.0), "d"),
            (Budget(3.0), "d"),
            (Budget(2.99), "a"),
            (Budget(latency_ms=5.0, memory_bytes=11_000_000), "c"),
            (Budget(file_bytes=2_000_000), "a"),
            (Budget(memory_bytes=6_000_000), "e"),
        ],
        ids=str,
    )
    def test_the_most_accurate_within_the_budget(self, budget: Budget, title: str) -> None:
        assert choose(ROWS, budget).member.title == title

    def test_nothing_fits(self) -> None:
        with pytest.raises(FamilyError, match=r"fastest, unknown, takes 0\.1 ms, 6\.0 MB of memory .* 5\.0 MB"):
            choose(ROWS, Budget(0.5))

    def test_the_front(self) -> None:
        assert [row.member.title for row in pareto_front(ROWS)] == ["a", "d", "e"]


def test_a_network_is_compiled_once(tmp_path: Path) -> None:
    opened: list[Prepared] = []

    class Meter(FakeMeter):
        def open(self, network: Prepared) -> Session:
            assert network.library.is_file()
            opened.append(network)
            return FakeSession(self, "tiny")

    tiny = save_tiny(tmp_path)
    member = Member("tiny", "tiny-1.0", "", None, lambda path: path.write_bytes(tiny.read_bytes()))
    meter = Meter(lambda title, turn: 1.0)
    with ResultsFile(tmp_path / "r.jsonl") as results:
        (row,) = measure_family([member], Budget(1.0), Bench("native", 1, meter, results, Silent(), tmp_path))
    assert len(opened) == 1
    assert row.result.file_bytes == opened[0].library.stat().st_size
    assert row.mult_adds > 0
    assert row.parameters > 0
