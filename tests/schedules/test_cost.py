"""The cycles of a core, on costs that can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from separable.schedules.cost import Cost, Mix, core_cycles, side_by_side, with_data
from separable.targets.arm import CORTEX_A55, CORTEX_A76
from separable.targets.x86 import ZNVER4

PRODUCTS = Cost(products=1e6, loads=1e5, loop_products=24, tile_products=240, tile_stores=24)


def test_what_is_side_by_side_takes_as_long_as_the_slowest_and_no_longer_than_all() -> None:
    assert side_by_side(100, 0, power=4) == 100
    assert 100 < side_by_side(100, 50, power=4) < 102
    assert side_by_side(100, 50, power=4) < side_by_side(100, 50, power=1.5) < 150


def test_products_take_what_the_multipliers_take() -> None:
    assert core_cycles(PRODUCTS, ZNVER4) == pytest.approx(1e6, rel=0.01)
    assert core_cycles(PRODUCTS, replace(ZNVER4, fma_per_cycle=2, issue_per_cycle=8)) == pytest.approx(5e5, rel=0.02)


@pytest.mark.parametrize(
    "mix", [Mix(3.0, 0, 4.2, 24), Mix(0, 2.0, 3.2, 24), Mix(0.1, 0, 18.0, 24)], ids=["loads", "stores", "issue"]
)
def test_whatever_limits_the_loop_of_the_code_decides(mix: Mix) -> None:
    assert core_cycles(PRODUCTS, ZNVER4, [mix]) == pytest.approx(3e6, rel=0.02)


def test_chains_that_wait_decide() -> None:
    assert core_cycles(replace(PRODUCTS, chain=4e6), ZNVER4) == pytest.approx(4e6, rel=0.01)


def test_the_loop_over_sums_is_told_from_a_longer_one_of_a_transform() -> None:
    transform, sums = Mix(5.0, 5.0, 20.0, 96), Mix(0.1, 0, 1.2, 24)
    assert core_cycles(PRODUCTS, ZNVER4, [transform, sums]) == core_cycles(PRODUCTS, ZNVER4, [sums])


def test_stores_count_once_where_the_loop_holds_them() -> None:
    cost = replace(PRODUCTS, stores=1e6, tile_products=24, tile_stores=24)
    outside, inside = replace(cost, tile_products=240), cost
    mix = Mix(0.1, 0.5, 1.7, 24)
    assert core_cycles(outside, ZNVER4, [mix]) > core_cycles(inside, ZNVER4, [mix]) + 1e6


def test_a_core_in_order_hides_less_of_loads_and_data() -> None:
    mix = Mix(0.5, 0, 1.6, 24)
    fast_loads = replace(CORTEX_A55, loads_per_cycle=1, issue_per_cycle=4)
    ahead = replace(fast_loads, in_order=False)
    assert core_cycles(PRODUCTS, fast_loads, [mix]) > 1.2 * core_cycles(PRODUCTS, ahead, [mix])
    shown = [with_data(1e6, 5e5, row) / 1e6 - 1 for row in (ZNVER4, CORTEX_A76, CORTEX_A55)]
    assert shown == sorted(shown)
    assert 0 < shown[0] < 0.02
    assert shown[-1] < 0.5


def test_costs_add_and_the_loop_is_that_of_the_second() -> None:
    added = Cost(operations=5, stores=2, repeated="inputs") + replace(PRODUCTS, stores=3, repeated="constants")
    assert (added.operations, added.stores, added.products) == (5, 5, 1e6)
    assert (added.loop_products, added.repeated) == (24, "constants")
