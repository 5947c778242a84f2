"""A loop over sums, taken apart: what it loads, its multiply-adds, and the integer instructions beside them.

For schedules in which other instructions do the same. A loop with anything else in it (stores, conversions, calls) is
not understood.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from separable.compiler.emit.dual_issue import Unit, parse

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

_NOT_LOADED = 1 << 30


class CannotSchedule(Exception):
    """A loop has something in it that is not understood, or LLVM's own order is about as fast."""


@dataclass(eq=False)
class Value:
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
class Product:
    """A multiply-add; its operands are values that the loop loads or registers that it leaves alone."""

    name: str
    kind: str
    suffix: str
    total: str
    a: Value | str
    b: Value | str

    @property
    def values(self) -> list[Value]:
        """Those of its operands that the loop loads."""
        return [operand for operand in (self.a, self.b) if isinstance(operand, Value)]

    def __str__(self) -> str:
        a, b = (o.register if isinstance(o, Value) else o for o in (self.a, self.b))
        return f"{self.name} v{self.total}.{self.kind}, v{a}.{self.kind}, v{b}.{self.suffix}"


@dataclass
class Loop:
    """A loop taken apart.

    Attributes:
        values: what it loads, in LLVM's order.
        products: multiply-adds, in LLVM's order.
        chain: integer instructions and prefetches, which keep their order.
    """

    values: list[Value] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    chain: list[str] = field(default_factory=list)


def take_apart(body: Sequence[str], kept: Collection[str]) -> Loop:
    """Values, multiply-adds and the rest of a loop whose last instruction is the branch back.

    Raises:
        CannotSchedule: it contains anything else, or a register has two roles.
    """
    loop = Loop()
    current: dict[str, Value] = {}
    moved: Counter[str] = Counter()
    sums: set[str] = set()
    written: set[str] = set()
    for text in body[:-1]:
        if match := _PRODUCT.match(text):
            a, b = (current.get(match[operand], match[operand]) for operand in ("a", "b"))
            loop.products.append(Product(match["name"], match["type"], match["suffix"], match["sum"], a, b))
            sums.add(match["sum"])
        elif (match := _LOAD.match(text)) and match["base"] not in written:
            offset = int(match["offset"] or 0) + moved[match["base"]]
            for index, register in enumerate(number for number in match.group("first", "second") if number):
                current[register] = Value(match["base"], offset + 16 * index, register)
                loop.values.append(current[register])
            if match["step"]:
                moved[match["base"]] += int(match["step"])
                loop.chain.append(f"add {match['base']}, {match['base']}, #{match['step']}")
        elif "sp" not in text and ((match := _STEP.match(text)) or _is_integer(text)):
            if match:
                moved[match["base"]] += int(match["step"]) * (1 if match["sign"] == "add" else -1)
            else:
                written.update(written_by(text))
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
        if isinstance(product.b, Value) and product.suffix.startswith("h"):
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


def written_by(text: str) -> tuple[str, ...]:
    """Registers that an instruction writes; none if it is not understood."""
    instruction = parse(text)
    return instruction.writes if instruction else ()
