from __future__ import annotations

import pytest

from separable.compiler.commands.units import bytes_text, count_text, percent_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (46_400, "46.4 k"),
        (568_740_352, "569 M"),
        (999_499, "999 k"),
        (999_999, "1.00 M"),
        (12_345_678_901, "12.3 G"),
        (10**18, "1000000 T"),
    ],
)
def test_counts_have_three_digits(count: int, text: str) -> None:
    assert count_text(count) == text


def test_bytes() -> None:
    assert bytes_text(12) == "12 bytes"
    assert bytes_text(16_927_936) == "16.9 MB"


def test_shares() -> None:
    assert percent_text(0.25, 1) == "25.00 %"
    assert percent_text(0, 0) == ""
