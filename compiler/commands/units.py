"""Numbers as people read them."""

from __future__ import annotations

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
