from __future__ import annotations

from tvm import te, tirx

from separable.compiler.emit.keep_nan import keep_nan


def text(dtype: str, by_intrinsic: bool = True) -> str:
    x = te.placeholder((4,), dtype=dtype, name="x")
    bounded = te.compute((4,), lambda i: tirx.min(tirx.max(x[i], tirx.const(0, dtype)), tirx.const(6, dtype)), name="y")
    return str(keep_nan(te.create_prim_func([x, bounded]), by_intrinsic).script())


def test_floats_are_compared_by_instructions_that_know_nan() -> None:
    for dtype in ("float32", "float16"):
        assert "T.max(" not in text(dtype)
        assert "T.min(" not in text(dtype)
        assert "llvm.maximum" in text(dtype)
        assert "llvm.minimum" in text(dtype)


def test_integers_stay() -> None:
    assert "llvm" not in text("int32")


def test_without_intrinsics_constants_come_first() -> None:
    assert "T.min(T.float32(6.0), T.max(T.float32(0.0), x[" in text("float32", by_intrinsic=False)
