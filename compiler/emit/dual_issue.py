"""Cycles of a loop on a core that starts up to two instructions a cycle in program order: Cortex-A53 and -A55.

Sources: [ncnn] its note "arm-a53-a55-dual-issue", [ort] the kernels with loads of 64 bits in ONNX Runtime's MLAS, [sog]
Arm's "Software Optimization Guide" of Cortex-A55. A load of 128 bits starts alone and blocks the core for two cycles
[ncnn, ort]. What has 64 bits starts beside a multiply-add: a load into a general register, its insertion into a vector,
a pointer's update, and on A55 a load into a vector [ncnn].
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from separable.targets.row import Target

LOAD_LATENCY, INSERT_LATENCY = 4, 2
"""Cycles until a loaded value can be used, and one that was inserted into a vector [sog]."""

_FULL_LOAD_CYCLES = 2
_ITERATIONS = 4
_REGISTER = re.compile(r"\b([vqdxw])(\d+)")
_LOAD = re.compile(
    r"^(?:ldu?r\s+(?P<kind>[qdx])|ldp\s+q)\d+,\s*(?:q\d+,\s*)?\[x\d+(?:,\s*#-?\d+)?\](?P<step>,\s*#-?\d+)?$"
)
_LANE_FROM_GENERAL = re.compile(r"^(?:mov|ins)\s+v\d+\.d\[1\],\s*x\d+$")
_ACCUMULATE = re.compile(r"^fml[as]\s")
_BRANCH = re.compile(r"^(?:b|b\.\w+|cbn?z|tbn?z)\s")
_INTEGER = re.compile(r"^(?:add|sub|adds|subs|mov|cmp|lsl|lsr|asr|madd|mul|orr|and|csel|cset|sxtw|ubfx|sbfiz|ubfiz)\s")


class Unit(Enum):
    """What an instruction occupies."""

    ARITHMETIC = auto()
    FULL_LOAD = auto()
    HALF_LOAD = auto()
    GENERAL_LOAD = auto()
    INSERT = auto()
    INTEGER = auto()
    BRANCH = auto()


_LOADS = (Unit.FULL_LOAD, Unit.HALF_LOAD, Unit.GENERAL_LOAD)
_LATENCY = {Unit.INSERT: INSERT_LATENCY, Unit.INTEGER: 1} | dict.fromkeys(_LOADS, LOAD_LATENCY)


@dataclass(frozen=True)
class Instruction:
    """What the core has to know of an instruction.

    Attributes:
        unit: what it occupies.
        reads: registers it reads, ``v0`` or ``x0``.
        writes: registers it writes.
    """

    unit: Unit
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Instruction | None:
    """An instruction as assembly; None for one that loops over sums do not contain."""
    registers = tuple(("x" if kind in "xw" else "v") + number for kind, number in _REGISTER.findall(text))
    operation = text.split(None, 1)[0]
    if _BRANCH.match(text):
        return Instruction(Unit.BRANCH, registers, ())
    if operation == "prfm":
        return Instruction(Unit.GENERAL_LOAD, registers, ())
    if load := _LOAD.match(text):
        *targets, pointer = registers
        unit = {"q": Unit.FULL_LOAD, "d": Unit.HALF_LOAD, "x": Unit.GENERAL_LOAD}[load["kind"] or "q"]
        return Instruction(unit, (pointer,), (*targets, pointer) if load["step"] else tuple(targets))
    if _LANE_FROM_GENERAL.match(text):
        return Instruction(Unit.INSERT, registers, registers[:1])
    if _ACCUMULATE.match(text):
        return Instruction(Unit.ARITHMETIC, registers, registers[:1])
    if _INTEGER.match(text) and all(register.startswith("x") for register in registers):
        written = 0 if operation == "cmp" else 1
        return Instruction(Unit.INTEGER, registers[written:], registers[:written])
    return None


def may_pair(first: Unit, second: Unit, target: Target) -> bool:
    """Whether two independent instructions start in the same cycle, in this order."""
    units = (first, second)
    if Unit.FULL_LOAD in units or first is Unit.BRANCH:
        return False
    if first in _LOADS and second in _LOADS:
        return False
    if first is second and first in (Unit.ARITHMETIC, Unit.INSERT):
        return False
    return not (Unit.ARITHMETIC in units and Unit.HALF_LOAD in units and target.half_loads == "apart")


def cycles(loop: Sequence[str], target: Target) -> float | None:
    """Cycles of one iteration of many.

    Args:
        loop: its instructions as assembly, in order.
        target: the core: its multiply-adds' latency, and what starts beside them.

    Returns:
        None if the loop contains an instruction that :func:`parse` does not know.
    """
    instructions = [parse(text) for text in loop]
    known = [instruction for instruction in instructions if instruction is not None]
    if len(known) < len(instructions):
        return None
    ready: dict[str, int] = {}
    now, free, group = 0, 0, list[Unit]()
    ends = []
    for _ in range(_ITERATIONS):
        for instruction in known:
            start = max([free, *(ready.get(register, 0) for register in instruction.reads)])
            alone = not group or start > now or len(group) > 1 or not may_pair(group[0], instruction.unit, target)
            if alone:
                now, group = (start if not group or start > now else now + 1), []
            group.append(instruction.unit)
            free = now
            if instruction.unit is Unit.FULL_LOAD:
                free = now + _FULL_LOAD_CYCLES * sum(register.startswith("v") for register in instruction.writes)
            latency = _LATENCY.get(instruction.unit, target.fma_latency)
            for register in instruction.writes:
                # A pointer that the access itself moves is ready at once.
                ready[register] = now + (latency if register[0] == "v" or instruction.unit is not Unit.FULL_LOAD else 1)
        ends.append(now)
    return (ends[-1] - ends[_ITERATIONS // 2 - 1]) / (_ITERATIONS - _ITERATIONS // 2)
