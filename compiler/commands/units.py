"""Numbers as people read them."""

from __future__ import annotations


def count_text(count: float) -> str:
    """``568740352`` as ``569 M``: three digits and a power of a thousand."""
    for unit in ("", "k", "M"):
        if count < 999.5:
            return f"{count:.3g} {unit}".rstrip()
        count /= 1000
    return f"{count:.3g} G"


def bytes_text(count: int) -> str:
    """``16927936`` as ``16.9 MB``, with 1 MB = 10^6 bytes."""
    return f"{count} bytes" if count < 1000 else f"{count_text(count)}B"


def percent_text(part: float, whole: float) -> str:
    """A share as ``94.86 %``; empty where there is nothing to share."""
    return f"{100 * part / whole:.2f} %" if whole else ""
