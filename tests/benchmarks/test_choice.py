from __future__ import annotations

import pytest

from separable.benchmarks.choice import judge
from tests.compiler.choosing.samples import make_member

FAMILY = [make_member("a", 50.0), make_member("b", 60.0), make_member("c", 61.0), make_member("unknown", None)]
MEDIANS = {"a": 1.0, "b": 4.0, "c": 5.1, "unknown": 0.1}


@pytest.mark.parametrize(
    ("pick", "seconds", "holds"), [("b", 100, True), ("a", 100, False), ("c", 100, True), ("b", 181, False)]
)
def test_the_bar(pick: str, seconds: float, holds: bool) -> None:
    verdict = judge(5.0, seconds, pick, FAMILY, MEDIANS)
    assert verdict.best.title == "b"
    assert verdict.holds is holds


def test_a_pick_that_is_too_slow() -> None:
    assert not judge(4.9, 1.0, "c", FAMILY, MEDIANS).holds
