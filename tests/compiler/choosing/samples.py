"""Members and results as tests need them."""

from __future__ import annotations

from pathlib import Path

from separable.compiler.choosing.choose import Row
from separable.compiler.choosing.member import Accuracy, Member
from separable.compiler.choosing.results import Key, Result


def make_member(title: str = "a", accuracy: float | None = 60.0, interpolated: bool = False) -> Member:
    known = None if accuracy is None else Accuracy(accuracy, "Table 6", interpolated)
    return Member(title, title, "224", known, lambda path: None, next=f"use {title}")


def make_key(network: str = "a") -> Key:
    return Key(network, "x86_64:znver4", 1, "0.1+12345678", "this machine (test)")


def make_result(*turns_ms: float, network: str = "a", bounds_ms: tuple[float, float] | None = None) -> Result:
    return Result(make_key(network), turns_ms or (1.0,), bounds_ms, 5_000_000, 6_000_000, 100_000_000, 1_000_000)


def make_row(
    title: str, accuracy: float | None, *turns_ms: float, interpolated: bool = False, sizes: tuple[int, int] = (5, 6)
) -> Row:
    """A row; ``sizes`` are the megabytes of library and memory."""
    result = make_result(*turns_ms, network=title)
    sized = Result(result.key, result.turns_ms, None, sizes[0] * 10**6, sizes[1] * 10**6, 100_000_000, 1_000_000)
    return Row(make_member(title, accuracy, interpolated), sized)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines))
    return path
