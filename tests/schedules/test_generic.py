"""The generic schedule on operators as TVM's operator library defines them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from separable.compiler._tvm import relax, tvm
from separable.schedules import generic
from separable.schedules.tensor import Plain
from separable.schedules.workload import Generic
from tests.schedules import reference
from tests.schedules.harness import assert_close, run

op = relax.op
Shape: TypeAlias = tuple[int, ...]
Case: TypeAlias = tuple[Callable[..., relax.Expr], Callable[..., Any], list[tuple[Shape, str]]]


def legalize(build: Callable[..., relax.Expr], inputs: Sequence[Plain]) -> Generic:
    """The workload of one Relax operator."""
    params = [relax.Var(f"x{i}", relax.TensorType(x.shape, x.dtype)) for i, x in enumerate(inputs)]
    builder = relax.BlockBuilder()
    with builder.function("main", params):
        builder.emit_func_output(builder.emit(build(*params)))
    mod = relax.transform.LegalizeOps()(builder.get())
    (func,) = (f for f in mod.functions.values() if isinstance(f, tvm.tirx.PrimFunc))
    output = func.params[-1]
    y = Plain(tuple(int(extent) for extent in output.shape), str(output.ty.dtype))
    return Generic(tuple(inputs), y, func.script(), func)


def check(
    build: Callable[..., relax.Expr],
    expected: Callable[..., Any],
    inputs: Sequence[tuple[Shape, str]],
    target: str = "native",
    tile: generic.Tile | None = None,
) -> None:
    rng = np.random.default_rng(0)
    plains = [Plain(shape, dtype) for shape, dtype in inputs]
    arrays = [
        rng.standard_normal(x.shape).astype(x.dtype)
        if x.dtype == "float32"
        else np.asarray(rng.integers(0, 2 if x.dtype == "bool" else 5, x.shape), x.dtype)
        for x in plains
    ]
    actual = run(legalize(build, plains), target, list(zip(arrays, plains, strict=True)), tile=tile)
    exact = [array.astype(np.float64) if array.dtype == np.float32 else array for array in arrays]
    assert_close(actual.astype(np.float64), np.asarray(expected(*exact), np.float64))


def f32(*shapes: Shape) -> list[tuple[Shape, str]]:
    return [(shape, "float32") for shape in shapes]


MOVEMENT: dict[str, Case] = {
    "transpose": (
        lambda x: op.permute_dims(x, [0, 2, 3, 1]),
        lambda x: x.transpose(0, 2, 3, 1),
        f32((1, 21, 7, 19)),
    ),
    "concat": (
        lambda x, y: op.concat([x, y], 1),
        lambda x, y: np.concatenate([x, y], 1),
        f32((1, 5, 7, 8), (1, 3, 7, 8)),
    ),
    "concat-last": (
        lambda *x: op.concat(list(x), -1),
        lambda *x: np.concatenate(x, -1),
        f32((1, 5, 16), (1, 5, 3), (1, 5, 17), (1, 5, 1)),
    ),
    "slice": (
        lambda x: op.strided_slice(x, [1, 3], [1, 0], [9, 13], [2, 3]),
        lambda x: x[:, 1:9:2, :, 0:13:3],
        f32((1, 12, 5, 13)),
    ),
    "reshape": (lambda x: op.reshape(x, (1, -1)), lambda x: x.reshape(1, -1), f32((1, 5, 7, 3))),
    "pad": (
        lambda x: op.nn.pad(x, [0, 0, 0, 0, 1, 2, 3, 0]),
        lambda x: np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 0))),
        f32((1, 5, 7, 13)),
    ),
    "tile": (lambda x: op.tile(x, (1, 2, 3)), lambda x: np.tile(x, (1, 2, 3)), f32((2, 3, 8))),
    "flip": (lambda x: op.flip(x, 1), lambda x: x[:, ::-1], f32((5, 33))),
    "take": (
        lambda x, i: op.take(x, i, axis=1),
        lambda x, i: np.take(x, i, 1),
        [((1, 21, 16), "float32"), ((5,), "int64")],
    ),
}
ARITHMETIC: dict[str, Case] = {
    "add-broadcast": (op.add, np.add, f32((1, 16, 7, 7), (7, 1))),
    "exp": (op.exp, np.exp, f32((1, 8, 13, 13))),
    "sigmoid": (op.sigmoid, reference.ACTIVATIONS["sigmoid"], f32((2, 21, 16))),
    "scalar": (op.exp, np.exp, f32(())),
    "one": (op.exp, np.exp, f32((1, 1))),
    "integers": (op.add, np.add, [((3, 32), "int64"), ((3, 32), "int64")]),
    "less": (op.less, np.less, f32((3, 32), (3, 32))),
    "and": (op.logical_and, np.logical_and, [((3, 32), "bool"), ((3, 32), "bool")]),
    "where": (op.where, np.where, [((3, 17), "bool"), ((3, 17), "float32"), ((3, 17), "float32")]),
    "cast": (lambda x: op.astype(x, "int64"), lambda x: x.astype(np.int64), f32((2, 21))),
}
REDUCTION: dict[str, Case] = {
    "mean": (lambda x: op.mean(x, [2, 3]), lambda x: x.mean((2, 3)), f32((1, 40, 7, 7))),
    "mean-keepdims": (lambda x: op.mean(x, [1], True), lambda x: x.mean(1, keepdims=True), f32((1, 40, 7, 16))),
    "sum": (lambda x: op.sum(x, [-1]), lambda x: x.sum(-1), f32((3, 17, 33))),
    "sum-all": (op.sum, lambda x: x.sum(), f32((2, 21, 3))),
    "max": (lambda x: op.max(x, [1]), lambda x: x.max(1), f32((2, 21, 32))),
    "argmax": (lambda x: op.argmax(x, 1), lambda x: x.argmax(1), f32((2, 21, 32))),
    "variance": (lambda x: op.variance(x, [-1]), lambda x: x.var(-1), f32((5, 33))),
    "matmul": (op.matmul, np.matmul, f32((2, 17, 33), (2, 33, 40))),
    "softmax": (
        lambda x: op.nn.softmax(x, 1),
        lambda x: np.moveaxis(reference.softmax(np.moveaxis(x, 1, -1)), -1, 1),
        f32((2, 21, 7, 16)),
    ),
    "layer-norm": (
        lambda x, g, b: op.nn.layer_norm(x, g, b, axes=[-1]),
        lambda x, g, b: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * g + b,
        f32((1, 49, 64), (64,), (64,)),
    ),
}
CASES = {**MOVEMENT, **ARITHMETIC, **REDUCTION}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_numpy(name: str) -> None:
    check(*CASES[name])


@pytest.mark.parametrize("name", ["transpose", "concat-last", "where", "take", "matmul", "layer-norm"])
def test_on_every_target(name: str, target: str) -> None:
    check(*CASES[name], target=target)


@pytest.mark.parametrize("tile", [generic.Tile(1, 1), generic.Tile(5, 3)], ids=str)
@pytest.mark.parametrize("name", ["transpose", "pad", "matmul", "layer-norm"])
def test_any_tile(name: str, tile: generic.Tile) -> None:
    check(*CASES[name], tile=tile)


def test_linear_resize() -> None:
    def build(x: relax.Expr) -> relax.Expr:
        return op.image.resize2d(
            x, (14, 26), layout="NCHW", method="linear", coordinate_transformation_mode="half_pixel"
        )

    def expected(x: NDArray[Any]) -> NDArray[Any]:
        for axis in (2, 3):
            size = x.shape[axis]
            position = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
            low = np.minimum(position.astype(int), size - 2)
            weight = (position - low).reshape([-1 if i == axis else 1 for i in range(4)])
            x = x.take(low, axis) * (1 - weight) + x.take(low + 1, axis) * weight
        return x

    check(build, expected, f32((1, 8, 7, 13)))
