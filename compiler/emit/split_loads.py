"""``ldr q0, [x1]  =>  ldr d0, [x1]; ldr x9, [x1, #8]; mov v0.d[1], x9``, placed between multiply-adds.

Cores that start instructions in program order stand still for two cycles at a load of 128 bits. Its halves start beside
multiply-adds, if they stand beside them. LLVM joins halves again, and loads where a register is free rather than where
an instruction fits in. This takes loops over sums from its assembly and has them scheduled anew, see ``in_order.py``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from separable.compiler.emit.dual_issue import Unit, parse
from separable.compiler.emit.in_order import Schedule, schedule_loop
from separable.compiler.emit.liveness import live_after
from separable.compiler.emit.sum_loop import CannotSchedule
from separable.targets.row import Target

_LABEL = re.compile(r"^(\.L\w+):")
_FUNCTION = re.compile(r"^[A-Za-z_]\w*:")
_COMMENT = re.compile(r"\s*//.*")
_GENERAL = re.compile(r"\b[xw](\d+)\b")
_VECTOR = re.compile(r"\b[vq](\d+)\b")

_VECTOR_REGISTERS = tuple(str(number) for number in range(32))
_CALLER_SAVED = tuple(str(number) for number in range(18))
_CALLEE_SAVED = tuple(str(number) for number in range(19, 29))
_TEMPORARIES = 8
"""General registers that hold upper halves on their way. A loop for Cortex-A55 with 9 x 2 sums and 288 multiply-adds
takes 321 cycles with two of them, 313 with six, 307 with eight or ten."""

_SPARE = 4
"""Vector registers in which operands wait, besides those that LLVM uses for them."""

_OPPOSITE = dict(
    pair
    for a, b in (("eq", "ne"), ("hs", "lo"), ("hi", "ls"), ("ge", "lt"), ("gt", "le"), ("mi", "pl"))
    for pair in ((f"b.{a}", f"b.{b}"), (f"b.{b}", f"b.{a}"))
) | {"cbz": "cbnz", "cbnz": "cbz", "tbz": "tbnz", "tbnz": "tbz"}


def split_loads(assembly: str, target: Target) -> str:
    """Assembly of kernels with their loops over sums scheduled for a core in program order.

    Args:
        assembly: LLVM's, of an ``aarch64`` target.
        target: the core; a loop is replaced only where that is faster on it, as ``dual_issue.cycles`` counts.
    """
    lines = assembly.splitlines()
    for start, stop in reversed(loops(lines)):
        body = instructions(lines[start : stop + 1])
        kept = live_after(lines, stop, _VECTOR_REGISTERS)
        general, vectors = _general_registers(lines, start, stop), _vector_registers(body, kept)
        try:
            schedule = schedule_loop(body, vectors.numbers, kept, [f"x{number}" for number in general.numbers], target)
        except CannotSchedule:
            continue
        lines[start : stop + 1] = _rewritten(lines[start : stop + 1], schedule, general, vectors)
    return "\n".join(lines) + "\n"


def loops(lines: Sequence[str]) -> list[tuple[int, int]]:
    """The lines with label and branch of every loop that is one basic block."""
    found = []
    start, name = -1, ""
    for index, line in enumerate(lines):
        label = _LABEL.match(line)
        if label and not label[1].startswith(".Ltmp"):  # those belong to debug information
            start, name = index, label[1]
        elif code := instructions([line]):
            instruction = parse(code[0])
            if instruction is not None and instruction.unit is Unit.BRANCH:
                condition, *operands = code[0].split()
                if start >= 0 and operands[-1] == name and condition in _OPPOSITE:
                    found.append((start, index))
                start = -1
    return found


def instructions(lines: Sequence[str]) -> list[str]:
    """The instructions among lines of assembly, with single spaces."""
    texts = [" ".join(_COMMENT.sub("", line).split()) for line in lines]
    return [text for text in texts if text and not text.startswith(".") and not text.endswith(":")]


@dataclass(frozen=True)
class _Registers:
    """Registers that a loop may use besides its own.

    Attributes:
        numbers: all of them.
        saved: pairs of them that hold what others need, and are put on the stack meanwhile.
        letter: ``x`` or ``q``.
    """

    numbers: tuple[str, ...]
    saved: tuple[tuple[str, str], ...]
    letter: str

    def save(self) -> list[str]:
        """Instructions before the loop."""
        return [f"stp {self.letter}{a}, {self.letter}{b}, [sp, #-{self._bytes}]!" for a, b in self.saved]

    def restore(self) -> list[str]:
        """Instructions after the loop."""
        return [f"ldp {self.letter}{a}, {self.letter}{b}, [sp], #{self._bytes}" for a, b in reversed(self.saved)]

    @property
    def _bytes(self) -> int:
        return 32 if self.letter == "q" else 16


def _registers(letter: str, wanted: int, unused: Sequence[str], others: Sequence[str]) -> _Registers:
    """As many as wanted: unused ones, and pairs of others that are saved."""
    unused = unused[:wanted]
    others = others[: wanted - len(unused)]
    pairs = tuple(zip(others[0::2], others[1::2], strict=False))
    return _Registers((*unused, *(number for pair in pairs for number in pair)), pairs, letter)


def _general_registers(lines: Sequence[str], start: int, stop: int) -> _Registers:
    """Registers that the loop does not name, those first that the function does not need."""
    first = next(index for index in range(start, -1, -1) if _FUNCTION.match(lines[index]))
    last = next((index for index in range(stop, len(lines)) if lines[index].startswith(".Lfunc_end")), len(lines))
    in_loop = set(_GENERAL.findall("\n".join(lines[start : stop + 1])))
    in_function = set(_GENERAL.findall("\n".join(lines[first:last])))
    unused = [number for number in _CALLER_SAVED if number not in in_function]
    others = [number for number in (*_CALLER_SAVED, *_CALLEE_SAVED) if number not in {*in_loop, *unused}]
    return _registers("x", _TEMPORARIES, unused, others)


def _vector_registers(body: Sequence[str], kept: Collection[str]) -> _Registers:
    """Registers that the loop does not name, those first that code after it does not read."""
    named = set(_VECTOR.findall("\n".join(body)))
    others = [number for number in _VECTOR_REGISTERS if number not in named]
    return _registers("q", _SPARE, [n for n in others if n not in kept], [n for n in others if n in kept])


def _rewritten(lines: Sequence[str], schedule: Schedule, *registers: _Registers) -> list[str]:
    """The lines in place of a loop's: what is loaded ahead, the loop, and the end of its last iteration.

    Without anything loaded ahead the loop ends as LLVM's does. Otherwise its last iteration leaves before it would load
    what comes after the last::

        name:           loads for the first iteration
        name_in_order:  head;  leave the loop if this was the last iteration
                        tail, with loads for the next one
                        branch to name_in_order
        name_last:      tail without them
    """
    name = lines[0].partition(":")[0]
    condition, _, target = instructions(lines[-1:])[0].partition(" ")
    again, last = f"{name}_in_order", f"{name}_last"
    debug_labels = [line for line in lines[1:] if _LABEL.match(line)]
    inside = [*schedule.head]
    if schedule.ahead:
        inside += [f"{_OPPOSITE[condition]} {target.replace(name, last)}", *schedule.tail, f"b {again}", f"{last}:"]
        inside += schedule.last_tail
    else:
        inside += [*schedule.tail, f"{condition} {target.replace(name, again)}"]
    save = [text for some in registers for text in some.save()]
    restore = [text for some in reversed(registers) for text in some.restore()]
    code = [*save, *schedule.ahead, ".p2align 4", f"{again}:", *inside, *restore]
    return [lines[0], *debug_labels, *(text if text.endswith(":") else f"\t{text}" for text in code)]
