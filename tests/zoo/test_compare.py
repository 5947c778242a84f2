from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

from separable.zoo.compare import Compared, compare_shares, compare_table, cost_of
from separable.zoo.paper import TABLES, Build, Table

# Table, model, and what of it deviates. Nothing else may, and each of these has a remark.
DEVIATIONS = {
    (8, "GoogleNet", "mult-adds"),
    (8, "GoogleNet", "parameters"),
    (8, "VGG 16", "mult-adds"),
    (9, "SqueezeNet", "mult-adds"),
    (9, "AlexNet", "parameters"),
    (10, "Inception V3", "mult-adds"),
    (10, "Inception V3", "parameters"),
    (12, "0.25 MobileNet-224", "mult-adds"),
    (12, "0.5 MobileNet-128", "mult-adds"),
    (12, "0.25 MobileNet-128", "mult-adds"),
    (13, "SSD 300, deeplab-VGG", "parameters"),
    (14, "1.0 MobileNet-160", "mult-adds"),
    (14, "1.0 MobileNet-160", "parameters"),
    (14, "1.0 MobileNet-128", "parameters"),
    (14, "0.75 MobileNet-160", "parameters"),
    (14, "0.75 MobileNet-128", "mult-adds"),
    (14, "0.75 MobileNet-128", "parameters"),
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.number))
def test_costs_are_those_the_paper_prints(table: Table) -> None:
    deviations = set()
    for row in compare_table(table):
        for name, compared in (("mult-adds", row.mult_adds), ("parameters", row.parameters)):
            if not compared.agrees:
                deviations.add((table.number, row.model, name))
            if not compared.agrees or compared.computed is None:
                assert row.remark, row.model
    assert deviations == {deviation for deviation in DEVIATIONS if deviation[0] == table.number}


def test_shares_are_those_of_table_2_but_for_a_slip() -> None:
    rows = {row.model: row for row in compare_shares()}
    assert [model for model, row in rows.items() if not (row.mult_adds.agrees and row.parameters.agrees)] == [
        "Conv 3x3"
    ]
    assert rows["Conv 3x3"].mult_adds.computed == pytest.approx(1.91, abs=0.01)
    assert rows["Conv 3x3"].remark


def test_remarks_tell_the_truth() -> None:
    squeezenet, vgg = cost_of(Build("squeezenet-1.0")), cost_of(Build("vgg16"))
    assert 2 * squeezenet.mult_adds == pytest.approx(1.7e9, rel=0.015)
    assert vgg.mult_adds - 123_633_664 == pytest.approx(15.3e9, rel=0.01)
    mobilenet = cost_of(Build("mobilenet-v1", {"alpha": 0.25}))
    assert round(mobilenet.mult_adds / 1e6) == 41


@pytest.mark.parametrize(
    ("printed", "computed", "agrees"),
    [
        ("569", 568.7, True),
        ("100", 100.9, True),
        ("100", 98.9, False),
        ("1.2", 1.237, True),
        ("1.2", 1.251, False),
        ("0.5", 0.461, True),
        ("0.27", 0.264, False),
        ("52", None, True),
    ],
)
def test_one_percent_or_the_printed_rounding(printed: str, computed: float | None, agrees: bool) -> None:
    assert Compared(printed, computed).agrees is agrees


def test_a_computed_number_has_a_digit_more_than_the_printed_one() -> None:
    assert Compared("1.2", 1.2371).text == "1.24"
    assert Compared("569", 568.74).text == "568.7"
    assert Compared("52", None).text == ""
    assert Compared("52", None).difference is None
