"""What the code of a kernel consists of: LLVM's assembly, read for the mix of its innermost loops.

Schedules say what a kernel should do; only the code says what became of it: operands that found no register, scalars
that are broadcast twice, address arithmetic. The loops with the most multiply-adds are where kernels spend their time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from separable.compiler.emit import dual_issue
from separable.schedules.cost import Mix
from separable.targets.row import Target

_LABEL = re.compile(r"^(\.L\w+):")
_BRANCH = re.compile(r"^(?:j\w+|b|b\.\w+|b(?:eq|ne|lt|le|gt|ge|hs|lo|hi|ls|mi|pl)|cbn?z|tbn?z)$")
_COMMENT = re.compile(r"\s*(?:# |//|@).*")  # an immediate operand follows its # at once
_VECTOR = re.compile(r"%[xyz]mm|\b[qv]\d|\bd\d|\{d\d")
# Where there is no fused multiply-add, the multiplication stands for it.
_PRODUCT = re.compile(r"^(?:vfn?m(?:add|sub)\d+[ps]s|mul[ps]s|vmul[ps]s|fml[as]|vfm[as]\.f32|vml[as]\.f32|vmul\.f32)$")
_NOT_MOVED = ("prefetch", "prfm", "pld", "lea")
_STORE = re.compile(r"^(?:st[rpu1]|stur|vst)")


def mixes_of(text: str, target: Target) -> tuple[Mix, ...]:
    """The mix of every innermost loop with multiply-adds, the most of them first.

    Args:
        text: assembly.
        target: whose cycles are counted too, where the issue rules of its core are known.
    """
    mixes = [mix for loop in innermost_loops(text) if (mix := _mix(loop, target)) is not None]
    return tuple(sorted(mixes, key=lambda mix: -mix.products))


def innermost_loops(text: str) -> list[Sequence[str]]:
    """The instructions of every loop that contains no other, its branch back included."""
    instructions: list[str] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        label = _LABEL.match(line)
        if label:
            labels[label[1]] = len(instructions)
            continue
        instruction = _COMMENT.sub("", line).strip()
        if instruction and not instruction.startswith(".") and not instruction.endswith(":"):
            instructions.append(instruction)
    loops = []
    for index, instruction in enumerate(instructions):
        operation, operands = _split(instruction)
        start = labels.get(operands.rpartition(",")[2].strip())
        if start is not None and start <= index and _BRANCH.match(operation):
            loops.append((start, index))
    inner = [
        (start, stop)
        for start, stop in loops
        if not any((a, b) != (start, stop) and start <= a and b <= stop for a, b in loops)
    ]
    return [instructions[start : stop + 1] for start, stop in inner]


def multiply_adds(loop: Sequence[str]) -> int:
    """Vector multiply-adds among instructions."""
    return sum(_PRODUCT.match(_split(instruction)[0]) is not None for instruction in loop)


def _mix(loop: Sequence[str], target: Target) -> Mix | None:
    products = multiply_adds(loop)
    if not products:
        return None
    moved = [_moved(*_split(instruction)) for instruction in loop]
    loads, stores = (sum(column) for column in zip(*moved, strict=True))
    cycles = dual_issue.cycles(loop, target) if target.half_loads else None
    return Mix(loads / products, stores / products, len(loop) / products, products, cycles and cycles / products)


def _split(instruction: str) -> tuple[str, str]:
    operation, *operands = instruction.split(None, 1)
    return operation, operands[0] if operands else ""


def _moved(operation: str, operands: str) -> tuple[int, int]:
    """Vectors that an instruction loads and stores."""
    if not ("(" in operands or "[" in operands) or not _VECTOR.search(operands) or operation.startswith(_NOT_MOVED):
        return 0, 0
    if "[" not in operands:  # x86: the destination comes last
        stores = operands.endswith(")") and "mov" in operation
        return (0, 1) if stores else (1, 0)
    if re.search(r"\bv\d+\.s\[\d\]$|\bd\d+\[\d\]$", operands):  # a lane as factor is no address
        return 0, 0
    listed = len(re.findall(r"\bd\d+", operands)) // 2 if "{" in operands else 1
    count = 2 if operation.startswith(("ldp", "stp")) else max(1, listed)
    return (0, count) if _STORE.match(operation) else (count, 0)
