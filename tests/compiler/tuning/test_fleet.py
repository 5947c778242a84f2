"""Many devices and one queue: shared work, lost devices, benches; scripted devices first, then agents."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from separable.compiler.tuning.device import Candidate, Device, Finished
from separable.compiler.tuning.errors import DeviceLost, NoDevice, TrackerUnreachable, TuningError
from separable.compiler.tuning.fleet import FixedSource, Fleet
from separable.compiler.tuning.remote import TrackerSource
from separable.compiler.tuning.sockets import Address
from separable.compiler.tuning.tracker import read_summary
from tests.agents import Agent, free_port, running_tracker, wait_until

from .scripts import script

DONE = Finished(0, "", "", False, 0.0)
Behaviour = Callable[[Candidate], Finished]


class Scripted:
    """A device that does what a function says."""

    def __init__(self, name: str, behaviour: Behaviour) -> None:
        self.name = name
        self.behaviour = behaviour
        self.ran: list[str] = []
        self.closed = 0

    def describe(self) -> Mapping[str, object]:
        return {}

    def run(self, candidate: Candidate) -> Finished:
        self.ran.append(candidate.program.name)
        return self.behaviour(candidate)

    def close(self) -> None:
        self.closed += 1


def works(candidate: Candidate) -> Finished:
    return Finished(0, candidate.program.name, "", False, 0.0)


def fails(candidate: Candidate) -> Finished:
    raise DeviceLost(f"it broke at {candidate.program.name}")


def candidates(count: int) -> list[Candidate]:
    return [Candidate(Path(str(number)), {}) for number in range(count)]


def outputs(results: list[Finished | DeviceLost]) -> list[str]:
    return [result.stdout for result in results if isinstance(result, Finished)]


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def fleet_of(notes: list[str]) -> Iterator[Callable[..., Fleet]]:
    """A fleet of these devices; closed in the end."""
    fleets = []

    def make(*devices: Device, bench_s: float = 60.0, deadline: float = math.inf) -> Fleet:
        source = FixedSource(devices)
        fleets.append(Fleet(source, notify=notes.append, poll_s=0.02, bench_s=bench_s, deadline=deadline))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.close()


class TestWork:
    def test_results_come_in_the_order_of_the_candidates(self, fleet_of: Callable[..., Fleet]) -> None:
        fleet = fleet_of(Scripted("a", works), Scripted("b", works))
        assert outputs(fleet.run(candidates(50))) == [str(number) for number in range(50)]
        assert outputs(fleet.run(candidates(3))) == ["0", "1", "2"]
        assert fleet.run([]) == []

    def test_devices_work_at_the_same_time(self, fleet_of: Callable[..., Fleet]) -> None:
        meeting = threading.Barrier(3, timeout=10)

        def meets(candidate: Candidate) -> Finished:
            meeting.wait()
            return DONE

        devices = [Scripted(name, meets) for name in "abc"]
        fleet = fleet_of(*devices)
        assert outputs(fleet.run(candidates(6))) == [""] * 6
        assert set(fleet.devices) == {"a", "b", "c"}
        assert [len(device.ran) for device in devices] == [2, 2, 2]

    def test_a_fault_of_the_candidate_stays_with_it(self, fleet_of: Callable[..., Fleet]) -> None:
        def misses_a_file(candidate: Candidate) -> Finished:
            if candidate.program.name == "1":
                raise FileNotFoundError("1")
            return works(candidate)

        device = Scripted("a", misses_a_file)
        fleet = fleet_of(device)
        futures = [fleet.submit(candidate) for candidate in candidates(3)]
        with pytest.raises(FileNotFoundError):
            futures[1].result(10)
        assert futures[2].result(10).stdout == "2"
        assert fleet.devices == ("a",)

    def test_closing_cancels_what_waits_and_releases_the_devices(self, fleet_of: Callable[..., Fleet]) -> None:
        begun, end = threading.Event(), threading.Event()

        def slow(candidate: Candidate) -> Finished:
            begun.set()
            end.wait(10)
            return DONE

        fleet = fleet_of(Scripted("a", slow))
        futures = [fleet.submit(candidate) for candidate in candidates(2)]
        assert begun.wait(10)
        fleet.close()
        end.set()
        assert futures[1].cancelled()
        assert futures[0].result(10) == replace(DONE, device="a")
        with pytest.raises(TuningError, match="closed"):
            fleet.submit(candidates(1)[0])


class TestLosses:
    def test_a_lost_candidate_is_run_by_another_device_next(
        self, fleet_of: Callable[..., Fleet], notes: list[str]
    ) -> None:
        bad = Scripted("bad", fails)

        def works_once_one_is_lost(candidate: Candidate) -> Finished:
            wait_until(lambda: any("lost it broke at" in note for note in notes))
            return works(candidate)

        good = Scripted("good", works_once_one_is_lost)
        fleet = fleet_of(bad, good)
        assert outputs(fleet.run(candidates(20))) == [str(number) for number in range(20)]
        assert bad.ran
        assert set(good.ran) == {str(number) for number in range(20)}

    def test_three_failures_in_a_row_are_benched_and_named(
        self, fleet_of: Callable[..., Fleet], notes: list[str]
    ) -> None:
        def waits_for_the_bench(candidate: Candidate) -> Finished:
            wait_until(lambda: any("benched" in note for note in notes))
            return DONE

        bad = Scripted("bad", fails)
        fleet = fleet_of(bad, Scripted("good", waits_for_the_bench))
        assert len(outputs(fleet.run(candidates(20)))) == 20
        assert len(bad.ran) == 3
        assert fleet.benched == ("bad",)
        assert next(note for note in notes if "bench" in note) == "bad failed 3 times in a row and is benched for 60 s"

    def test_a_success_in_between_counts(self, fleet_of: Callable[..., Fleet], notes: list[str]) -> None:
        runs = iter(range(100))

        def hiccups(candidate: Candidate) -> Finished:
            return works(candidate) if next(runs) % 2 else fails(candidate)

        fleet = fleet_of(Scripted("a", hiccups))
        assert outputs(fleet.run(candidates(5))) == list("01234")
        assert not fleet.benched
        assert not any("bench" in note for note in notes)

    def test_a_candidate_that_takes_devices_with_it_is_given_up(self, fleet_of: Callable[..., Fleet]) -> None:
        def poisoned(candidate: Candidate) -> Finished:
            return fails(candidate) if candidate.program.name == "2" else works(candidate)

        fleet = fleet_of(*(Scripted(name, poisoned) for name in "abcd"))
        results = fleet.run(candidates(6))
        assert isinstance(results[2], DeviceLost)
        assert outputs(results) == ["0", "1", "3", "4", "5"]
        assert not fleet.benched

    def test_when_none_is_left_it_says_so_and_waits(self, fleet_of: Callable[..., Fleet], notes: list[str]) -> None:
        broken = True
        device = Scripted("a", lambda candidate: fails(candidate) if broken else works(candidate))
        fleet = fleet_of(device, bench_s=0.4)
        futures = [fleet.submit(candidate) for candidate in candidates(2)]
        wait_until(lambda: any("no device is left, these are benched: a; waiting" in note for note in notes))
        broken = False
        assert [future.result(10).stdout for future in futures] == ["0", "1"]

    def test_when_none_is_left_after_the_deadline_it_gives_up(self, fleet_of: Callable[..., Fleet]) -> None:
        fleet = fleet_of(Scripted("a", fails), deadline=time.monotonic() + 0.1)
        futures = [fleet.submit(candidate) for candidate in candidates(2)]
        for future in futures:
            with pytest.raises(NoDevice, match="the time is over and no device is left: the devices at hand"):
                future.result(10)
        with pytest.raises(NoDevice):
            fleet.submit(candidates(1)[0]).result(10)

    def test_a_device_that_works_goes_on_after_the_deadline(self, fleet_of: Callable[..., Fleet]) -> None:
        fleet = fleet_of(Scripted("a", works), deadline=time.monotonic())
        assert outputs(fleet.run(candidates(20))) == [str(number) for number in range(20)]

    def test_a_source_that_fails_is_told_once_and_asked_again(self, notes: list[str]) -> None:
        class Restarting(FixedSource):
            asked = 0

            def acquire(self) -> Device | None:
                self.asked += 1
                if self.asked < 5:
                    raise TrackerUnreachable("no tracker answers")
                return super().acquire()

        with Fleet(Restarting([Scripted("a", works)]), notify=notes.append, poll_s=0.01) as fleet:
            assert outputs(fleet.run(candidates(2))) == ["0", "1"]
        assert notes == ["no tracker answers; waiting"]


@pytest.fixture
def two_agents(agent_program: Path, tracker: Address, tmp_path: Path) -> Iterator[tuple[Agent, Agent]]:
    key = f"pair{free_port()}"
    with (
        Agent(agent_program, tracker, key, tmp_path / "one") as one,
        Agent(agent_program, tracker, key, tmp_path / "two") as two,
    ):
        wait_until(lambda: read_summary(tracker).free.get(key) == 2)
        yield one, two


def shared_work(folder: Path, count: int) -> list[Candidate]:
    return [script(folder, f"sleep 0.05; echo {number}", timeout_s=2) for number in range(count)]


def expect(results: list[Finished | DeviceLost], count: int) -> None:
    assert [result.stdout for result in results if isinstance(result, Finished)] == [f"{n}\n" for n in range(count)]


class TestAgents:
    def test_two_under_one_key_share_the_work(
        self, two_agents: tuple[Agent, Agent], tracker: Address, tmp_path: Path
    ) -> None:
        with Fleet(TrackerSource(tracker, two_agents[0].key), poll_s=0.05) as fleet:
            expect(fleet.run(shared_work(tmp_path, 20)), 20)
            assert set(fleet.devices) == {f"{agent.key} at {agent.address}" for agent in two_agents}

    def test_one_is_killed_in_mid_run(
        self, two_agents: tuple[Agent, Agent], tracker: Address, tmp_path: Path, notes: list[str]
    ) -> None:
        one, two = two_agents
        with Fleet(TrackerSource(tracker, one.key, answer_s=2), notify=notes.append, poll_s=0.05) as fleet:
            futures = [fleet.submit(candidate) for candidate in shared_work(tmp_path, 30)]
            wait_until(lambda: len(fleet.devices) == 2 and futures[3].done())
            one.signal_all(signal.SIGKILL)
            expect([future.result(30) for future in futures], 30)
            assert fleet.devices == (f"{two.key} at {two.address}",)
        assert any(str(one.address) in note for note in notes)

    def test_one_freezes_in_mid_run(
        self, two_agents: tuple[Agent, Agent], tracker: Address, tmp_path: Path, notes: list[str]
    ) -> None:
        one, two = two_agents
        work = [script(tmp_path, f"sleep 0.05; echo {number}", timeout_s=0.5) for number in range(30)]
        with Fleet(TrackerSource(tracker, one.key, answer_s=0.5), notify=notes.append, poll_s=0.05) as fleet:
            futures = [fleet.submit(candidate) for candidate in work]
            wait_until(lambda: len(fleet.devices) == 2 and futures[3].done())
            one.signal_all(signal.SIGSTOP)
            expect([future.result(30) for future in futures], 30)
            assert fleet.devices == (f"{two.key} at {two.address}",)
        assert f"lost {one.key} at {one.address}: no answer in time" in notes

    def test_one_that_is_lost_again_and_again_is_benched(
        self, two_agents: tuple[Agent, Agent], tracker: Address, tmp_path: Path, notes: list[str]
    ) -> None:
        """Its sessions die each time they run something; a session alone is killed, so that the agent comes back."""
        one, _ = two_agents
        # The parent of the program is the session; the folder tells the agents apart.
        commands = "case $PWD in */one/*) kill -9 $PPID;; esac; echo"
        with Fleet(TrackerSource(tracker, one.key, answer_s=2), notify=notes.append, poll_s=0.05) as fleet:
            futures = [fleet.submit(script(tmp_path, f"sleep 0.05; {commands}", timeout_s=2)) for _ in range(60)]
            wait_until(lambda: bool(fleet.benched), 30)
            for future in futures:
                future.exception(30)
            assert fleet.benched == (f"{one.key} at {one.address}",)
        assert any(f"{one.key} at {one.address} failed 3 times in a row" in note for note in notes)

    def test_crashing_hanging_and_greedy_candidates_harm_nobody(
        self, two_agents: tuple[Agent, Agent], tracker: Address, tmp_path: Path, notes: list[str]
    ) -> None:
        bad = [
            script(tmp_path, "kill -SEGV $$"),
            script(tmp_path, "sleep 100", timeout_s=0.3),
            script(tmp_path, "head -c 400000000 /dev/zero | tail >/dev/null || exit 9", memory_bytes=64 << 20),
        ]
        with Fleet(TrackerSource(tracker, two_agents[0].key), notify=notes.append, poll_s=0.05) as fleet:
            crashed, hung, greedy, *good = fleet.run([*bad, *shared_work(tmp_path, 10)])
        expect(good, 10)
        assert isinstance(crashed, Finished)
        assert crashed.returncode == -signal.SIGSEGV
        assert isinstance(hung, Finished)
        assert hung.timed_out
        assert isinstance(greedy, Finished)
        assert greedy.returncode != 0
        assert notes == []

    def test_the_tracker_restarts_in_mid_run(self, agent_program: Path, tmp_path: Path, notes: list[str]) -> None:
        port = free_port()
        with running_tracker(port) as tracker:
            agent = Agent(agent_program, tracker, "lonely", tmp_path / "work")
            agent.__enter__()
            fleet = Fleet(TrackerSource(tracker, "lonely", answer_s=2), notify=notes.append, poll_s=0.05)
            expect(fleet.run(shared_work(tmp_path, 3)), 3)
        try:
            expect(fleet.run(shared_work(tmp_path, 3)), 3)  # the session does not need the tracker
            agent.signal_all(signal.SIGKILL)
            agent.process.wait()
            future = fleet.submit(script(tmp_path, "echo again"))
            wait_until(lambda: any("no tracker answers" in note for note in notes))
            with running_tracker(port), Agent(agent_program, tracker, "lonely", tmp_path / "other"):
                assert future.result(30).stdout == "again\n"
        finally:
            fleet.close()
            agent.__exit__()

    def test_closing_does_not_wait_for_a_program(
        self, two_agents: tuple[Agent, Agent], tracker: Address, tmp_path: Path
    ) -> None:
        key = two_agents[0].key
        fleet = Fleet(TrackerSource(tracker, key), poll_s=0.05)
        future = fleet.submit(script(tmp_path, "sleep 60", timeout_s=60))
        wait_until(future.running)
        start = time.monotonic()
        fleet.close()
        assert time.monotonic() - start < 5
        wait_until(lambda: read_summary(tracker).free.get(key) == 2)
