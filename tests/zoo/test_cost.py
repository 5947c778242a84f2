from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from separable.zoo.architecture import MobileNetV1
from separable.zoo.cost import cost_by_kind, layer_cost, network_cost

TABLES = Path(__file__).parents[3] / "shared" / "paper" / "tables.csv"

# Tables whose networks are MobileNets with a classifier of known size; the others have other heads.
CLASSIFIER_TABLES = {"5", "6", "7", "8", "9", "10"}


def published_rows() -> Iterator[tuple[MobileNetV1, str, str]]:
    """Network, million mult-adds and million parameters as printed."""
    with TABLES.open(newline="") as file:
        for row in csv.DictReader(file):
            match = re.fullmatch(r"([\d.]+) MobileNet(?:-(\d+))?", row["model"])
            if match and row["table"] in CLASSIFIER_TABLES:
                classes = re.fullmatch(r"(\d+) classes", row["note"])
                network = MobileNetV1(
                    alpha=float(match[1]),
                    resolution=int(match[2] or 224),
                    classes=int(classes[1]) if classes else 1000,
                )
                yield network, row["mult_adds_million"], row["params_million"]


def agrees(count: int, printed: str) -> bool:
    """Whether ``count`` is within 1 % of a printed number of millions, or rounds to it."""
    decimals = len(printed.partition(".")[2])
    millions = count / 1e6
    return abs(millions / float(printed) - 1) <= 0.01 or round(millions, decimals) == float(printed)


@pytest.mark.skipif(not TABLES.exists(), reason="the paper's tables are not at hand")
def test_costs_are_those_the_paper_prints() -> None:
    rows = list(published_rows())
    assert len(rows) == 15
    for network, mult_adds, parameters in rows:
        cost = network_cost(network)
        assert agrees(cost.mult_adds, mult_adds), (network, cost, mult_adds)
        assert agrees(cost.parameters, parameters), (network, cost, parameters)


def test_the_baseline_costs_569_million_mult_adds_and_4_2_million_parameters() -> None:
    cost = network_cost(MobileNetV1())
    assert (cost.mult_adds, cost.parameters) == (568_740_352, 4_210_088)


def test_shares_of_the_layer_types_are_those_of_table_2() -> None:
    network = MobileNetV1()
    total = network_cost(network)
    shares = {
        kind: (100 * cost.mult_adds / total.mult_adds, 100 * cost.parameters / total.parameters)
        for kind, cost in cost_by_kind(network).items()
    }
    # Percent of mult-adds and of parameters as printed, where the classifier's bias is no parameter. The first
    # convolution's 1.19 % is misprinted: only with 1.91 % do the four add up to 100 %.
    assert shares["pointwise"] == pytest.approx((94.86, 74.59), abs=0.02)
    assert shares["depthwise"] == pytest.approx((3.06, 1.06), abs=0.02)
    assert shares["conv"] == pytest.approx((1.91, 0.02), abs=0.02)
    assert shares["classifier"] == pytest.approx((0.18, 24.33), abs=0.02)


def test_layer_costs_follow_the_paper_s_equations() -> None:
    conv, depthwise, pointwise, *_, classifier = MobileNetV1(alpha=0.5, resolution=96, classes=10).layers()
    assert layer_cost(conv).mult_adds == 3 * 3 * 3 * 16 * 48**2
    assert layer_cost(depthwise).mult_adds == 3 * 3 * 16 * 48**2
    assert layer_cost(pointwise).mult_adds == 16 * 32 * 48**2
    assert layer_cost(classifier).mult_adds == 512 * 10
    assert layer_cost(classifier).parameters == 512 * 10 + 10
