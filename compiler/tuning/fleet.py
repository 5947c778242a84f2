"""Any number of devices that work through one queue of candidates, and what happens when they fail.

A candidate whose device is lost goes back to the head of the queue. A device that fails three times in a row is
benched: for a minute, then for two, four, ... up to a quarter of an hour, since a phone that reboots should not be
missing for the rest of the night. When no device is left, the fleet says so and waits, but not beyond its deadline.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol

from separable.compiler.tuning.device import Candidate, Device, Finished
from separable.compiler.tuning.errors import DeviceLost, NoDevice, TuningError

FAILURES_TO_BENCH = 3
# A candidate that took so many devices with it is not tried on another one.
LOSSES_TO_GIVE_UP = 3


class DeviceSource(Protocol):
    """Where devices come from."""

    def __str__(self) -> str:
        """What devices these are, for messages."""

    def acquire(self) -> Device | None:
        """A free device, None if there is none now.

        Raises:
            TuningError: none can be had now; DeviceLost if one was there and failed.
        """

    def release(self, device: Device) -> None:
        """Take a device back, be it lost or not."""


class FixedSource:
    """Devices that are at hand, as this machine is."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._free = list(devices)

    def __str__(self) -> str:
        return "the devices at hand"

    def acquire(self) -> Device | None:
        """The next device that was not yet handed out."""
        return self._free.pop(0) if self._free else None

    def release(self, device: Device) -> None:
        """It may be handed out again."""
        self._free.append(device)


@dataclass(eq=False)
class _Job:
    candidate: Candidate
    future: Future[Finished] = field(default_factory=Future)
    lost_on: list[str] = field(default_factory=list)  # names of devices, one for each loss


@dataclass
class _Standing:
    """How a device has behaved."""

    failures: int = 0  # in a row
    benched_until: float = 0.0
    next_bench_s: float = 0.0


class Fleet:
    """Runs candidates on whatever devices a source has; a context manager."""

    def __init__(
        self,
        source: DeviceSource,
        *,
        notify: Callable[[str], None] = lambda message: None,
        poll_s: float = 1.0,
        bench_s: float = 60.0,
        longest_bench_s: float = 900.0,
        deadline: float = math.inf,
    ) -> None:
        """Start to look for devices.

        Args:
            source: where they come from.
            notify: told what the user should know, from any thread.
            poll_s: seconds between two looks for free devices.
            bench_s: seconds of a device's first bench; each further one takes twice as long.
            longest_bench_s: but no longer than this.
            deadline: of ``time.monotonic``; what waits after it while there is no device ends with NoDevice.
        """
        self._source = source
        self._notify = notify
        self._poll_s = poll_s
        self._bench_s, self._longest_bench_s = bench_s, longest_bench_s
        self._deadline = deadline
        self._changed = threading.Condition()
        self._queue: deque[_Job] = deque()
        self._devices: list[Device] = []
        self._on_bench: list[Device] = []
        self._standings: dict[str, _Standing] = {}
        self._said = ""
        self._closed = False
        self._scout = threading.Thread(target=self._look_for_devices, name="fleet", daemon=True)
        self._scout.start()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices that work now."""
        with self._changed:
            return tuple(device.name for device in self._devices)

    @property
    def benched(self) -> tuple[str, ...]:
        """Names of the devices that are left out for a while."""
        with self._changed:
            return tuple(name for name in self._standings if self._is_benched(name))

    def submit(self, candidate: Candidate) -> Future[Finished]:
        """Queue a candidate.

        The future's exception is DeviceLost if it took several devices with it, NoDevice if after the deadline there is
        none.
        """
        job = _Job(candidate)
        with self._changed:
            if self._closed:
                raise TuningError("the fleet is closed")
            self._queue.append(job)
            self._changed.notify_all()
        return job.future

    def run(self, candidates: Sequence[Candidate]) -> list[Finished | DeviceLost]:
        """Run all and wait; for each how it ended, or DeviceLost if it took several devices with it."""
        futures = [self.submit(candidate) for candidate in candidates]
        return [_result(future) for future in futures]

    def close(self) -> None:
        """Give the devices back; what waits in the queue is cancelled, what runs is abandoned."""
        with self._changed:
            self._closed = True
            jobs, devices = list(self._queue), [*self._devices, *self._on_bench]
            self._queue.clear()
            self._on_bench.clear()
            self._changed.notify_all()
        for job in jobs:
            job.future.cancel()
        for device in devices:
            self._source.release(device)
        self._scout.join(timeout=2 * self._poll_s + 1)

    def _look_for_devices(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._queue)
                if self._closed:
                    return
            device = self._acquire()
            with self._changed:
                if device is not None and not self._closed:
                    self._employ(device)
                    continue
                if device is not None:
                    self._source.release(device)
                    return
            for job in self._take_overdue():
                job.future.set_exception(NoDevice(f"the time is over and no device is left: {self._source}"))
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=self._poll_s)

    def _take_overdue(self) -> list[_Job]:
        """What nobody will run any more: the whole queue, if there is no device after the deadline."""
        with self._changed:
            if self._devices or time.monotonic() < self._deadline:
                return []
            jobs = list(self._queue)
            self._queue.clear()
            return jobs

    def _acquire(self) -> Device | None:
        """A device, if one is free; else says why there is none to wait for, once."""
        try:
            device = self._take_from_bench() or self._source.acquire()
        except DeviceLost as error:
            self._note_failure(error.device or str(self._source), error)
            return None
        except (TuningError, OSError) as error:
            self._say(f"{error}; waiting")
            return None
        if device is None:
            with self._changed:
                alone = not self._devices
                benched = [name for name in self._standings if self._is_benched(name)]
            if alone and benched:
                self._say(f"no device is left, these are benched: {', '.join(benched)}; waiting")
            elif alone:
                self._say(f"no device is free: {self._source}; waiting")
        return device

    def _take_from_bench(self) -> Device | None:
        with self._changed:
            for device in self._on_bench:
                if not self._is_benched(device.name):
                    self._on_bench.remove(device)
                    return device
        return None

    def _employ(self, device: Device) -> None:
        """Let a device work; one that is benched is held instead, as the tracker would offer it again and again."""
        if self._is_benched(device.name):
            self._on_bench.append(device)
            return
        self._said = ""
        self._devices.append(device)
        threading.Thread(target=self._work, args=(device,), name=device.name, daemon=True).start()

    def _work(self, device: Device) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._queue)
                if self._closed:
                    return
                job = self._take_job(device)
            if not job.future.running() and not job.future.set_running_or_notify_cancel():
                continue
            try:
                finished = replace(device.run(job.candidate), device=device.name)
            except DeviceLost as error:
                self._lose(device, job, error)
                return
            except BaseException as error:  # a file of the candidate is gone, for instance: no fault of the device
                job.future.set_exception(error)
                continue
            with self._changed:
                self._standings[device.name] = _Standing()
            job.future.set_result(finished)

    def _take_job(self, device: Device) -> _Job:
        """The next candidate, of those that were not lost on this device if there are any: it may be to blame."""
        job = next((job for job in self._queue if device.name not in job.lost_on), self._queue[0])
        self._queue.remove(job)
        return job

    def _lose(self, device: Device, job: _Job, error: DeviceLost) -> None:
        job.lost_on.append(device.name)
        with self._changed:
            self._devices.remove(device)
            closed = self._closed
            given_up = closed or len(job.lost_on) >= LOSSES_TO_GIVE_UP
            if not given_up:
                self._queue.appendleft(job)
            self._changed.notify_all()
        if given_up:
            job.future.set_exception(error)
        if not closed:
            self._note_failure(device.name, error)
            self._source.release(device)

    def _note_failure(self, name: str, error: DeviceLost) -> None:
        with self._changed:
            standing = self._standings.setdefault(name, _Standing())
            standing.failures += 1
            benched = standing.failures >= FAILURES_TO_BENCH
            if benched:
                seconds = standing.next_bench_s or self._bench_s
                standing.failures = 0
                standing.benched_until = time.monotonic() + seconds
                standing.next_bench_s = min(2 * seconds, self._longest_bench_s)
        self._notify(f"lost {error}")
        if benched:
            self._notify(f"{name} failed {FAILURES_TO_BENCH} times in a row and is benched for {seconds:g} s")

    def _is_benched(self, name: str) -> bool:
        standing = self._standings.get(name)
        return standing is not None and time.monotonic() < standing.benched_until

    def _say(self, message: str) -> None:
        """Notify, unless this was the last thing said."""
        if message != self._said:
            self._said = message
            self._notify(message)


def _result(future: Future[Finished]) -> Finished | DeviceLost:
    try:
        return future.result()
    except DeviceLost as error:
        return error
