"""A loop over sums, scheduled for a core that starts instructions in program order.

The multiply-adds keep LLVM's order. Each loaded vector becomes two loads of 64 bits and an insertion, which start as
soon as a register is free, beside a multiply-add. The first vectors of an iteration are loaded while the one before it
ends: how many is tried, and the schedule with the fewest cycles wins, as ``dual_issue.cycles`` counts them.

What the loop computes, in which order each sum is added up, and what later code finds in registers stays as it is. A
loop with anything else in it (stores, conversions, calls) cannot be scheduled.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from separable.compiler.emit.dual_issue import INSERT_LATENCY, LOAD_LATENCY, Unit, cycles, may_pair, parse
from separable.targets.row import Target

_PRODUCT = re.compile(
    r"^(?P<name>fml[as]) v(?P<sum>\d+)\.(?P<type>\w+), v(?P<a>\d+)\.\w+, v(?P<b>\d+)\.(?P<suffix>\w+(?:\[\d\])?)$"
)
_LOAD = re.compile(
    r"^(?:ldr|ldur|ldp) q(?P<first>\d+), (?:q(?P<second>\d+), )?"
    r"\[(?P<base>x\d+)(?:, #(?P<offset>-?\d+))?\](?:, #(?P<step>-?\d+))?$"
)
_STEP = re.compile(r"^(?P<sign>add|sub) (?P<base>x\d+), (?P=base), #(?P<step>\d+)$")
_NEAREST, _FARTHEST = -256, 32752
"""Bytes: offsets that loads of both halves of a vector can have."""

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

_NOT_LOADED = 1 << 30


class CannotSchedule(Exception):
    """A loop has something in it that is not understood, or LLVM's own order is about as fast."""


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
            schedule = _Scheduler(_take_apart(body, kept), ahead, spare, temporaries, target).run()
        except _NoRoom:
            return math.inf, None
        return cycles(schedule.loop(body[-1]), target) or math.inf, schedule

    taken, fastest = min(map(tried, range(_MOST_AHEAD + 1)), key=lambda outcome: outcome[0])
    if fastest is None or taken + _LEAST_GAIN > (cycles(body, target) or 0.0):
        raise CannotSchedule
    return fastest


@dataclass(eq=False)
class _Value:
    """A vector that the loop loads.

    Attributes:
        base, offset: where from, with pointers as they are when the iteration begins.
        home: the register that LLVM gave it.
        is_final: whether it must end in that register, as code after the loop reads it.
        is_low: whether it must be in the lower half of the registers, as lanes of float16 must.
        uses: multiply-adds that still need it.
        register, temporary: where its lower and its upper half go, once they are loaded.
        low_ready, high_ready: the cycles in which the halves are there.
        ready: the cycle in which the whole can be used.
    """

    base: str
    offset: int
    home: str
    is_final: bool = False
    is_low: bool = False
    uses: int = 0
    register: str = ""
    temporary: str = ""
    low_ready: int = 0
    high_ready: int = 0
    ready: int = _NOT_LOADED


@dataclass(eq=False)
class _Product:
    """A multiply-add; its operands are values that the loop loads or registers that it leaves alone."""

    name: str
    kind: str
    suffix: str
    total: str
    a: _Value | str
    b: _Value | str

    @property
    def values(self) -> list[_Value]:
        return [operand for operand in (self.a, self.b) if isinstance(operand, _Value)]

    def __str__(self) -> str:
        a, b = (o.register if isinstance(o, _Value) else o for o in (self.a, self.b))
        return f"{self.name} v{self.total}.{self.kind}, v{a}.{self.kind}, v{b}.{self.suffix}"


@dataclass
class _Loop:
    """A loop taken apart.

    Attributes:
        values: what it loads, in LLVM's order.
        products: multiply-adds, in LLVM's order.
        chain: integer instructions and prefetches, which keep their order.
    """

    values: list[_Value] = field(default_factory=list)
    products: list[_Product] = field(default_factory=list)
    chain: list[str] = field(default_factory=list)


def _take_apart(body: Sequence[str], kept: Collection[str]) -> _Loop:
    """Values, multiply-adds and the rest of a loop whose last instruction is the branch back.

    Raises:
        CannotSchedule: it contains anything else, or a register has two roles.
    """
    loop = _Loop()
    current: dict[str, _Value] = {}
    moved: Counter[str] = Counter()
    sums: set[str] = set()
    written: set[str] = set()
    for text in body[:-1]:
        if match := _PRODUCT.match(text):
            a, b = (current.get(match[operand], match[operand]) for operand in ("a", "b"))
            loop.products.append(_Product(match["name"], match["type"], match["suffix"], match["sum"], a, b))
            sums.add(match["sum"])
        elif (match := _LOAD.match(text)) and match["base"] not in written:
            offset = int(match["offset"] or 0) + moved[match["base"]]
            for index, register in enumerate(number for number in match.group("first", "second") if number):
                current[register] = _Value(match["base"], offset + 16 * index, register)
                loop.values.append(current[register])
            if match["step"]:
                moved[match["base"]] += int(match["step"])
                loop.chain.append(f"add {match['base']}, {match['base']}, #{match['step']}")
        elif "sp" not in text and ((match := _STEP.match(text)) or _is_integer(text)):
            if match:
                moved[match["base"]] += int(match["step"]) * (1 if match["sign"] == "add" else -1)
            else:
                written.update(_written(text))
            loop.chain.append(text)
        else:
            raise CannotSchedule(text)
    for register, value in current.items():
        value.is_final = register in kept
    loaded = {value.home for value in loop.values}
    plain = {o for product in loop.products for o in (product.a, product.b) if isinstance(o, str)}
    for product in loop.products:
        for value in product.values:
            value.uses += 1
        if isinstance(product.b, _Value) and product.suffix.startswith("h"):
            product.b.is_low = True
    understood = (
        loop.values
        and loop.products
        and all(value.uses for value in loop.values)
        and all(_NEAREST <= value.offset <= _FARTHEST and value.offset % 8 == 0 for value in loop.values)
        and not loaded & (sums | plain)
        and not plain & sums
    )
    if not understood:
        raise CannotSchedule
    return loop


def _is_integer(text: str) -> bool:
    instruction = parse(text)
    return instruction is not None and (instruction.unit is Unit.INTEGER or text.startswith("prfm "))


def _written(text: str) -> tuple[str, ...]:
    instruction = parse(text)
    return instruction.writes if instruction else ()


class _Scheduler:
    """The core, cycle by cycle: a multiply-add if its operands are there, and beside it what else can start.

    The first ``count_ahead`` values are taken to be in registers when an iteration begins. When all others are loaded
    and pointers have moved on, the same ones of the next iteration are loaded.
    """

    def __init__(
        self,
        loop: _Loop,
        count_ahead: int,
        spare: Collection[str],
        temporaries: Sequence[str],
        target: Target,
    ) -> None:
        self.target = target
        self.products = list(reversed(loop.products))
        self.length = len(loop.products)
        self.chain = list(loop.chain)
        self.first_use: dict[_Value, int] = {}
        for index, product in enumerate(loop.products):
            for value in product.values:
                self.first_use.setdefault(value, index)
        in_turn = sorted(loop.values, key=self.first_use.__getitem__)
        self.waiting = in_turn[count_ahead:]
        self.inserting: list[_Value] = []
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

    def _place_ahead(self, values: Sequence[_Value]) -> list[_Value]:
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

    def _add(self, instruction: str, value: _Value | None = None) -> None:
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

    def _loaded(self, value: _Value) -> None:
        if value.register and value.temporary:
            self.waiting.remove(value)
            self.inserting.append(value)

    def _register_for(self, value: _Value) -> str:
        """A free register, at best one that no value has to end in; or none."""
        if value.is_final:
            return value.home if value.home in self.free else ""
        fitting = [register for register in self.free if not value.is_low or int(register) < _LOW]
        return max(fitting, key=lambda register: (self.reserved.get(register, self.length), int(register)), default="")

    def _continue_chain(self) -> bool:
        if not self.chain:
            return False
        if any(value.base in _written(self.chain[0]) for value in self.waiting):
            return False
        self._add(self.chain.pop(0))
        return True
