"""ONNX's conformance cases: what is listed passes, all else is refused with a reason or right; none crashes."""

from __future__ import annotations

import pytest

from separable.compiler.errors import UnsupportedOp
from separable.compiler.operators import CONVERTERS

from .cases import all_cases, passing

PARTS = 8
REFUSED = {"Mod", "NonMaxSuppression", "ReduceLogSumExp"}
"""Operators whose cases all have a refused form: integer inputs, no nodes that follow, float64 or no elements."""


@pytest.mark.parametrize("name", passing())
def test_it_passes(name: str) -> None:
    all_cases()[name].run()


@pytest.mark.parametrize("part", range(PARTS))
def test_the_others_are_refused_or_right(part: int) -> None:
    problems = []
    for name in sorted(all_cases().keys() - set(passing()))[part::PARTS]:
        try:
            error = all_cases()[name].refusal()
        except Exception as defect:  # whatever it is, the other cases are tried as well
            problems.append(f"{name}: {type(defect).__name__}: {defect}")
            continue
        if isinstance(error, UnsupportedOp) and not all(error.problems):
            problems.append(f"{name}: a problem without a message")
    assert not problems, "\n".join(problems)


def test_every_claimed_operator_passes_a_case() -> None:
    cases = all_cases()
    passed = {operator for name in passing() for operator in cases[name].operators}
    asked = {operator for case in cases.values() for operator in case.operators}
    for operator in sorted((CONVERTERS.keys() & asked) - passed - REFUSED):
        own = [case for case in cases.values() if case.operators == {operator} and case.is_float]
        assert not own or any(case.refusal() is None for case in own), f"no case of {operator} passes"
