from __future__ import annotations

from pathlib import Path

import pytest

from separable.compiler.commands.units import (
    bytes_text,
    count_text,
    parse_bytes,
    parse_latency,
    percent_text,
    shell_path,
)


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


@pytest.mark.parametrize(("text", "seconds"), [("5ms", 0.005), ("800 us", 0.0008), ("0.1S", 0.1), (".5ms", 0.0005)])
def test_latencies(text: str, seconds: float) -> None:
    assert parse_latency(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "count"), [("20MB", 20_000_000), ("800kB", 800_000), ("16MiB", 16 << 20)])
def test_sizes(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "5", "ms", "-1ms", "0ms", "5 km", "1e3ms"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_latency(text)
    with pytest.raises(ValueError, match="no size"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("path", "word"), [("out/net.so", "out/net.so"), ("my net (2).so", "'my net (2).so'"), ("-net.so", "./-net.so")]
)
def test_paths_in_commands_to_copy(path: str, word: str) -> None:
    assert shell_path(Path(path)) == word
