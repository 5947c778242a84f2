"""Numbers as people read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

_POWERS = "kMGT"


def count_text(count: int) -> str:
    """``568740352`` as ``569 M``: three digits and a power of a thousand."""
    if count < 1000:
        return str(count)
    rounded = round(count, 3 - len(str(count)))
    power = min((len(str(rounded)) - 1) // 3, len(_POWERS))
    value = rounded / 1000**power
    return f"{value:.{max(0, 3 - len(str(int(value))))}f} {_POWERS[power - 1]}"


def bytes_text(count: int) -> str:
    """``16927936`` as ``16.9 MB``, with 1 MB = 10^6 bytes."""
    return f"{count} bytes" if count < 1000 else f"{count_text(count)}B"


def percent_text(part: float, whole: float) -> str:
    """A share as ``94.86 %``; empty where there is nothing to share."""
    return f"{100 * part / whole:.2f} %" if whole else ""


def shell_path(path: Path) -> str:
    """A path as a word of a command to copy: quoted where a shell needs it, and no option whatever it begins with."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_latency(text: str) -> float:
    """``5ms``, ``800us`` or ``0.1s`` as seconds.

    Raises:
        ValueError: it is none of these, or not above zero.
    """
    return _parse_quantity(text, _SECONDS, "time; expected 5ms, 800us or 0.1s")


def parse_bytes(text: str) -> int:
    """``20MB``, ``800kB`` or ``16MiB`` as bytes.

    Raises:
        ValueError: it is none of these, or not above zero.
    """
    return int(_parse_quantity(text, _BYTES, "size; expected 20MB, 800kB or 16MiB"))


def _parse_quantity(text: str, units: Mapping[str, float], expected: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-z]+)", text.strip().lower())
    if match is None or match[2] not in units or not float(match[1]):
        raise ValueError(f"{text!r} is no {expected}")
    return float(match[1]) * units[match[2]]
