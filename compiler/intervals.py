"""How sure a median is."""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST_VALUES = 6
"""With fewer, no interval between two of the values holds the true median with 95 % confidence."""


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the median of what ``values`` are drawn from, whatever its distribution.

    The true median has as many values below it as heads fall in as many tosses of a coin. So it lies between the value
    of rank k + 1 from below and that from above, unless k or fewer heads, or tails, fell.

    Raises:
        ValueError: there are fewer than ``FEWEST_VALUES`` values.
    """
    count = len(values)
    if count < FEWEST_VALUES:
        raise ValueError(f"{count} values are too few for an interval, expected at least {FEWEST_VALUES}")
    rank, outside = 0, 1
    while 2 * (outside + math.comb(count, rank + 1)) <= 0.05 * 2**count:
        rank += 1
        outside += math.comb(count, rank)
    ordered = sorted(values)
    return ordered[rank], ordered[-1 - rank]
