"""Which vector registers the code after a point still reads: aarch64 assembly of one function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_LABEL = re.compile(r"^(\.L\w+):")
_COMMENT = re.compile(r"\s*//.*")
_VECTOR = re.compile(r"\b[vqdshb](\d+)\b")
_BRANCH = re.compile(r"^(?:b|b\.\w+|cbn?z|tbn?z)$")
_OVERWRITES = re.compile(
    r"^(?:ldp|ldr|ldur|movi|dup|fmov|fmul|fadd|fsub|fdiv|fneg|fmax|fmin|fmaxnm|fminnm|ext|zip[12]|uzp[12]|trn[12])$"
)
"""What leaves nothing of the old value in its first operand; ``ldp`` in its first two."""

_CALLEE_SAVED = frozenset(map(str, range(8, 16)))


def live_after(lines: Sequence[str], index: int, registers: Iterable[str]) -> set[str]:
    """Those of ``registers`` that may be read after the instruction in line ``index``, before they are written.

    Args:
        lines: assembly.
        index: of an instruction; what follows if it does not branch is looked at.
        registers: numbers of vector registers.
    """
    labels = {match[1]: number for number, line in enumerate(lines) if (match := _LABEL.match(line))}
    live: set[str] = set()
    seen: dict[int, set[str]] = {}
    paths = [(index + 1, set(registers))]
    while paths:
        at, open_ones = paths.pop()
        while open_ones - live:
            if at >= len(lines):
                return live | open_ones
            if at in seen and open_ones <= seen[at]:
                break
            seen[at] = seen.get(at, set()) | open_ones
            text = _COMMENT.sub("", lines[at]).strip()
            at += 1
            if not text or text.endswith(":") or text.startswith("."):
                continue
            operation, _, operands = text.partition("\t")
            if operation == "ret":
                live |= open_ones & _CALLEE_SAVED
                break
            if operation in ("bl", "blr", "br"):
                live |= open_ones
                break
            if _BRANCH.match(operation):
                target = labels.get(operands.rpartition(",")[2].strip())
                if target is None:
                    return live | open_ones
                if operation == "b":
                    at = target
                else:
                    paths.append((target, set(open_ones)))
                continue
            named = _VECTOR.findall(operands)
            written = named[: 2 if operation == "ldp" else 1] if _overwrites(operation, operands) else []
            live |= open_ones.intersection(named[len(written) :])
            open_ones = open_ones.difference(named)
    return live


def _overwrites(operation: str, operands: str) -> bool:
    """Whether an instruction leaves nothing of its first operand, a whole vector register."""
    first = operands.partition(",")[0]
    if operation == "mov":
        return ".16b" in first
    return all((_OVERWRITES.match(operation), _VECTOR.match(first), not first.endswith("]")))
