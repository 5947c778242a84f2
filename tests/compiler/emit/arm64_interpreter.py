"""Just enough of AArch64 to run a loop over sums: registers, flags, and memory that has an end."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_ADDRESS = re.compile(r"\[(\w+)(?:, #(-?\d+))?\](!)?(?:, #(-?\d+))?")
_LANE = re.compile(r"\.s\[(\d)\]")
STACK = 4096


class Machine:
    """The state of a core.

    Attributes:
        x: general registers, ``sp`` included.
        v: vector registers, [32, 4] float32.
        memory: bytes from address 0; the first ``STACK`` of them are the stack.
        zero: the flag that the last comparison set.
    """

    def __init__(self, memory: npt.NDArray[np.float32], seed: int) -> None:
        random = np.random.default_rng(seed)
        self.x = {f"x{number}": int(random.integers(1 << 40)) for number in range(31)} | {"sp": STACK}
        self.v = random.normal(size=(32, 4)).astype(np.float32)
        self.memory = np.concatenate([np.zeros(STACK // 4, np.float32), memory]).view(np.uint8)
        self.zero = False

    def run(self, lines: Sequence[str]) -> None:
        """Run from the first line to ``ret``."""
        labels = {
            line.partition(":")[0]: index for index, line in enumerate(lines) if line.partition(" ")[0][-1:] == ":"
        }
        at = 0
        while True:
            line = lines[at].split("//")[0].strip()
            at += 1
            if not line or line.startswith(".") or line.endswith(":"):
                continue
            operation, _, operands = line.replace("\t", " ").partition(" ")
            if operation == "ret":
                return
            if operation == "b" or (operation == "b.ne" and not self.zero) or (operation == "b.eq" and self.zero):
                at = labels[operands]
            elif operation not in ("b.ne", "b.eq", "prfm"):
                self._execute(operation, operands)

    def _execute(self, operation: str, operands: str) -> None:
        first, *others = operands.split(", ")
        if operation in ("ldr", "ldp", "str", "stp"):
            registers = operands[: operands.index("[") - 2].split(", ")
            address = self._address(operands[operands.index("[") :])
            for register in registers:
                size = {"q": 16, "d": 8, "x": 8}[register[0]]
                assert 0 <= address <= len(self.memory) - size, f"{operation} {operands} leaves the memory"
                if operation.startswith("ld"):
                    self._load(register, self.memory[address : address + size])
                else:
                    self.memory[address : address + size] = self._bytes(register)
                address += size
        elif operation == "mov":  # v0.d[1], x9
            self.v[int(first[1 : first.index(".")])].view(np.uint64)[1] = self.x[others[0]]
        elif operation == "fmla":
            total, a, b = (int(operand[1 : operand.index(".")]) for operand in (first, *others))
            lane = _LANE.search(others[1])
            factor = self.v[b][int(lane[1])] if lane else self.v[b]
            self.v[total] = (self.v[total] + self.v[a] * factor).astype(np.float32)
        elif operation in ("add", "sub", "subs"):
            amount = int(others[1][1:]) if others[1].startswith("#") else self.x[others[1]]
            self.x[first] = self.x[others[0]] + (amount if operation == "add" else -amount)
            if operation == "subs":
                self.zero = self.x[first] == 0
        else:
            raise AssertionError(f"{operation} {operands} is not known")

    def _address(self, text: str) -> int:
        match = _ADDRESS.match(text)
        assert match is not None, text
        base, offset, before, step = match.groups()
        address = self.x[base] + int(offset or 0)
        if before:
            self.x[base] = address
        self.x[base] += int(step or 0)
        return address

    def _load(self, register: str, value: npt.NDArray[np.uint8]) -> None:
        if register[0] == "x":
            self.x[register] = int(value.view(np.uint64)[0])
            return
        vector = self.v[int(register[1:])].view(np.uint8)
        vector[:] = 0
        vector[: len(value)] = value

    def _bytes(self, register: str) -> npt.NDArray[np.uint8]:
        if register[0] == "x":
            return np.array([self.x[register]], np.uint64).view(np.uint8)
        vector: npt.NDArray[np.uint8] = self.v[int(register[1:])].view(np.uint8)
        return vector[: 16 if register[0] == "q" else 8]
