"""Scalars that lie in one vector become lanes of one load."""

from __future__ import annotations

import pytest
from tvm import tirx

from separable.compiler._tvm import tvm
from separable.compiler.emit.lanes import has_lane_operands, load_whole_vectors
from separable.targets.table import find_target


def broadcasts(
    indices: list[tirx.Expr], size: int, dtype: str = "float32", n: int = 4
) -> tuple[tirx.PrimFunc, tirx.Var]:
    """``Y[ni : ni + n] = X[index i]`` for each index."""
    x, y = tirx.decl_buffer((size,), dtype, "X"), tirx.decl_buffer((n * len(indices),), dtype, "Y")
    stores = [
        tirx.BufferStore(y, tirx.Broadcast(tirx.BufferLoad(x, [index]), n), [tirx.Ramp(n * i, 1, n)])
        for i, index in enumerate(indices)
    ]
    return tirx.PrimFunc([x, y], tirx.stmt_seq(*stores)), x


def rewritten(index: tirx.Expr, size: int = 64, dtype: str = "float32", n: int = 4) -> str:
    func, _ = broadcasts([index], size, dtype, n)
    return str(load_whole_vectors(func).script())


@pytest.mark.parametrize("lane", range(4))
def test_a_known_lane_is_taken_from_a_vector(lane: int) -> None:
    row = tirx.Var("row", "int32")
    text = rewritten(row * 8 + lane)
    assert f"[{lane}, {lane}, {lane}, {lane}]" in text
    assert "X[T.Ramp(row * 8, 1, 4)]" in text


@pytest.mark.parametrize("lane", range(8))
def test_a_vector_has_eight_lanes_of_float16(lane: int) -> None:
    row = tirx.Var("row", "int32")
    text = rewritten(row * 8 + lane, dtype="float16", n=8)
    assert str([lane] * 8) in text
    assert "X[T.Ramp(row * 8, 1, 8)]" in text
    assert "Shuffle" not in rewritten(row * 4, dtype="float16", n=8)


def test_a_vector_in_two_registers_stays() -> None:
    assert "Shuffle" not in rewritten(tirx.const(0, "int32"), dtype="float32", n=8)


def test_an_unknown_lane_stays_a_scalar() -> None:
    row = tirx.Var("row", "int32")
    assert "Shuffle" not in rewritten(row * 2 + 1)


def test_a_buffer_that_ends_inside_a_vector_is_not_read_beyond() -> None:
    assert "Shuffle" not in rewritten(tirx.const(4, "int32"), size=7)


def test_other_types_stay() -> None:
    assert "Shuffle" not in rewritten(tirx.const(4, "int32"), dtype="int32")


@pytest.mark.parametrize(("name", "expected"), [("arm64", True), ("arm64:cortex-a76", True), ("x86-64-v2", False)])
def test_only_arm_multiplies_by_lanes(name: str, expected: bool) -> None:
    target = find_target(name)
    assert has_lane_operands(tvm.target.Target(dict(target.tvm))) == expected == target.lane_operands
