"""A loop over sums, scheduled for a core that starts instructions in program order.

The multiply-adds keep LLVM's order. Each loaded vector becomes two loads of 64 bits and an insertion, which start as
soon as a register is free, beside a multiply-add. The first vectors of an iteration are loaded while the one before it
ends: how many is tried, and the schedule with the fewest cycles wins, as ``dual_issue.cycles`` counts them.

What the loop computes, in which order each sum is added up, and what later code finds in registers stays as it is. A
loop with anything else in it (stores, conversions, calls) cannot be scheduled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from separable.compiler.emit.dual_issue import INSERT_LATENCY, LOAD_LATENCY, Unit, cycles, may_pair
from separable.compiler.emit.sum_loop import CannotSchedule, Loop, Value, take_apart, written_by
from separable.targets.row import Target

_URGENT = 12
"""Multiply-adds ahead of which a load takes a cycle of its own, where halves start apart from multiply-adds."""

_LEAST_GAIN = 10
"""Cycles of an iteration: registers saved around the loop take up to 30, and some loops end after three iterations."""

_STUCK = 32
"""Cycles in which nothing starts after which nothing ever will."""

_MOST_AHEAD = 8
"""Vectors that are loaded for the next iteration."""

_LOW = 16
"""Registers whose lanes of float16 can be factors, from the first."""


class _NoRoom(Exception):
    """Two values need a register at the same time."""


@dataclass(frozen=True)
class Schedule:
    """A loop's new instructions.

    Attributes:
        ahead: loads for the first iteration, before the loop.
        head: an iteration's instructions up to the last that changes a pointer, a counter or flags.
        tail: the rest of it, with loads for the next iteration.
        last_tail: the rest of it without them.
    """

    ahead: tuple[str, ...]
    head: tuple[str, ...]
    tail: tuple[str, ...]
    last_tail: tuple[str, ...]

    def loop(self, branch: str) -> list[str]:
        """The instructions of one iteration of many."""
        return [*self.head, *([branch] if self.ahead else []), *self.tail, branch]


def schedule_loop(
    body: Sequence[str], spare: Collection[str], kept: Collection[str], temporaries: Sequence[str], target: Target
) -> Schedule:
    """The fastest schedule of those tried.

    Args:
        body: the loop's instructions; the last one branches back.
        spare: numbers of vector registers that nobody uses.
        kept: numbers of vector registers that code after the loop reads.
        temporaries: names of general registers that nobody uses.
        target: the core.

    Raises:
        CannotSchedule: the loop has something in it that is not understood, or LLVM's own order is about as fast.
    """

    def tried(ahead: int) -> tuple[float, Schedule | None]:
        try:
            schedule = _Scheduler(take_apart(body, kept), ahead, spare, temporaries, target).run()
        except _NoRoom:
            return math.inf, None
        return cycles(schedule.loop(body[-1]), target) or math.inf, schedule

    taken, fastest = min(map(tried, range(_MOST_AHEAD + 1)), key=lambda outcome: outcome[0])
    if fastest is None or taken + _LEAST_GAIN > (cycles(body, target) or 0.0):
        raise CannotSchedule
    return fastest


class _Scheduler:
    """The core, cycle by cycle: a multiply-add if its operands are there, and beside it what else can start.

    The first ``count_ahead`` values are taken to be in registers when an iteration begins. When all others are loaded
    and pointers have moved on, the same ones of the next iteration are loaded.
    """

    def __init__(
        self,
        loop: Loop,
        count_ahead: int,
        spare: Collection[str],
        temporaries: Sequence[str],
        target: Target,
    ) -> None:
        self.target = target
        self.products = list(reversed(loop.products))
        self.length = len(loop.products)
        self.chain = list(loop.chain)
        self.first_use: dict[Value, int] = {}
        for index, product in enumerate(loop.products):
            for value in product.values:
                self.first_use.setdefault(value, index)
        in_turn = sorted(loop.values, key=self.first_use.__getitem__)
        self.waiting = in_turn[count_ahead:]
        self.inserting: list[Value] = []
        self.free = {value.home for value in loop.values}.union(spare)
        self.temporaries = list(temporaries)
        self.reserved = {value.home: self.first_use[value] for value in loop.values if value.is_final}
        self.ahead = self._place_ahead(in_turn[:count_ahead])
        self.reserved |= {value.home: self.first_use[value] for value in self.ahead}
        self.sums: dict[str, int] = {}
        self.now = 0
        self.head: list[str] | None = None
        self.instructions: list[str] = []
        self.last_tail: list[str] = []

    def _place_ahead(self, values: Sequence[Value]) -> list[Value]:
        """Give the first values registers, in which those of the next iteration then have to end."""
        following = []
        for index, value in enumerate(values):
            register = self._register_for(value)
            if not register or value.is_final:
                raise _NoRoom
            again = replace(value, home=register, is_final=True, uses=0)
            value.register, value.ready = register, 0
            self.free.remove(register)
            self.first_use[again] = self.length + index
            following.append(again)
        return following

    def run(self) -> Schedule:
        """The schedule.

        Raises:
            _NoRoom: two values need a register at the same time.
        """
        ahead = tuple(f"ldr q{value.home}, [{value.base}, #{value.offset}]" for value in self.ahead)
        idle = 0
        while self.products or self.waiting or self.inserting or self.chain or self.ahead:
            before: Unit | None = None
            for _ in range(2):
                started = self._start(before)
                if started is None:
                    break
                before = started
            idle = 0 if before else idle + 1
            if idle > _STUCK:
                raise _NoRoom
            self.now += 1
            if self.head is None and not self.waiting and not self.chain:
                self.head, self.instructions = self.instructions, []
                self.waiting, self.ahead = self.ahead, []
        assert self.head is not None
        return Schedule(ahead, tuple(self.head), tuple(self.instructions), tuple(self.last_tail))

    def _start(self, before: Unit | None) -> Unit | None:
        """Start the most urgent instruction that can start beside ``before``."""
        choices: list[tuple[Unit, Callable[[], bool]]] = [
            (Unit.ARITHMETIC, self._multiply),
            (Unit.INSERT, self._insert),
            (Unit.HALF_LOAD, self._load_half),
            (Unit.GENERAL_LOAD, self._load_general),
            (Unit.INTEGER, self._continue_chain),
        ]
        if self.target.half_loads == "apart" and before is None and self._is_urgent():
            choices.insert(0, choices.pop(2))
        for unit, start in choices:
            if (before is None or may_pair(before, unit, self.target)) and start():
                return unit
        return None

    def _is_urgent(self) -> bool:
        done = self.length - len(self.products)
        return bool(self.waiting) and self.first_use[self.waiting[0]] - done < _URGENT

    def _add(self, instruction: str, value: Value | None = None) -> None:
        self.instructions.append(instruction)
        if self.head is not None and (value is None or self.first_use[value] < self.length):
            self.last_tail.append(instruction)

    def _multiply(self) -> bool:
        if not self.products:
            return False
        product = self.products[-1]
        ready = [*(value.ready for value in product.values), self.sums.get(product.total, 0)]
        if max(ready) > self.now:
            return False
        self.products.pop()
        self.sums[product.total] = self.now + self.target.fma_latency
        self._add(str(product))
        for value in product.values:
            value.uses -= 1
            if not value.uses and not value.is_final:
                self.free.add(value.register)
        return True

    def _insert(self) -> bool:
        for value in self.inserting:
            if max(value.low_ready, value.high_ready) <= self.now:
                self.inserting.remove(value)
                self._add(f"mov v{value.register}.d[1], {value.temporary}", value)
                self.temporaries.append(value.temporary)
                value.ready = self.now + INSERT_LATENCY
                return True
        return False

    def _load_half(self) -> bool:
        """The lower half of a value, if there is a register for it and no upper half before it in line."""
        value = next((value for value in self.waiting if not value.register), None)
        before = next((value for value in self.waiting if not value.temporary), None)
        if value is None or (self.temporaries and before and self.first_use[before] < self.first_use[value]):
            return False
        register = self._register_for(value)
        if not register:
            return False
        self.free.remove(register)
        value.register, value.low_ready = register, self.now + LOAD_LATENCY
        self._add(f"ldr d{register}, [{value.base}, #{value.offset}]", value)
        self._loaded(value)
        return True

    def _load_general(self) -> bool:
        """The upper half of the next value, if there is a general register for it."""
        value = next((value for value in self.waiting if not value.temporary), None)
        if value is None or not self.temporaries:
            return False
        value.temporary, value.high_ready = self.temporaries.pop(0), self.now + LOAD_LATENCY
        self._add(f"ldr {value.temporary}, [{value.base}, #{value.offset + 8}]", value)
        self._loaded(value)
        return True

    def _loaded(self, value: Value) -> None:
        if value.register and value.temporary:
            self.waiting.remove(value)
            self.inserting.append(value)

    def _register_for(self, value: Value) -> str:
        """A free register, at best one that no value has to end in; or none."""
        if value.is_final:
            return value.home if value.home in self.free else ""
        fitting = [register for register in self.free if not value.is_low or int(register) < _LOW]
        return max(fitting, key=lambda register: (self.reserved.get(register, self.length), int(register)), default="")

    def _continue_chain(self) -> bool:
        if not self.chain:
            return False
        if any(value.base in written_by(self.chain[0]) for value in self.waiting):
            return False
        self._add(self.chain.pop(0))
        return True
