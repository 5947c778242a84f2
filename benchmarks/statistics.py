"""From times to statements: what was typical, and who was faster if that can be said at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from separable.compiler.intervals import median_interval

Times = NDArray[np.float64]
"""Milliseconds, [rounds, runs of a turn]."""

# Where a process happens to have its memory moves its times by about this much, however long one measures.
_SAME = 0.01


@dataclass(frozen=True)
class Summary:
    """Typical, best and slow runs of one contender, in milliseconds."""

    median: float
    min: float
    p90: float


@dataclass(frozen=True)
class Comparison:
    """One contender's time divided by another's, round by round: below 1, the first is faster.

    Attributes:
        ratio: the median over the rounds.
        low: lower end of the 95 % confidence interval of that median.
        high: upper end.
    """

    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``faster``, ``slower``, or ``not ranked`` where the difference is within the noise."""
        if self.high < 1 - _SAME:
            return "faster"
        if self.low > 1 + _SAME:
            return "slower"
        return "not ranked"


def summarize(times: Times) -> Summary:
    """Median, minimum and 90th percentile of all runs."""
    return Summary(float(np.median(times)), float(times.min()), float(np.percentile(times, 90)))


def compare(first: Times, second: Times) -> Comparison:
    """Compare two contenders that took turns in the same rounds: a slow moment of the machine hits both alike."""
    ratios = np.median(first, axis=1) / np.median(second, axis=1)
    low, high = median_interval(ratios.tolist())
    return Comparison(float(np.median(ratios)), low, high)
