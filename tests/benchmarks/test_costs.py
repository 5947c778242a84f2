from __future__ import annotations

import pytest

from separable.benchmarks.costs import Costs, median_costs


def test_each_figure_has_its_own_median() -> None:
    """A process that was slow to load may have been quick to run."""
    assert median_costs([Costs(1, 30, 5), Costs(2, 10, 6), Costs(9, 20, 4)]) == Costs(2, 20, 5)
    assert median_costs([Costs(1, 2, 3)]) == Costs(1, 2, 3)


def test_first_result_is_load_and_first_run() -> None:
    assert Costs(1.5, 12, 30).first_result_ms == pytest.approx(13.5)
